"""The work of commands that change something. Each module is loaded when its command is called."""
