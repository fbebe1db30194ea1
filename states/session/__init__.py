"""The life of a session: a pod in which a person works, with local ports to its services."""
