"""What can be found out about a job before it is rented for: on this machine, at the provider, at the registry."""
