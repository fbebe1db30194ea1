"""What `import rpd` gives (adapters/face/__init__.py lists it): the commands as functions, and runs as objects."""
