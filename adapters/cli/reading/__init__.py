"""The work of commands that only look. Each module is loaded when its command is called."""
