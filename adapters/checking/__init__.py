"""What rpd can find out about a job before it rents anything: on this machine, at the provider, at the registry."""
