"""What commands do that only look. Each is loaded when its command is called."""
