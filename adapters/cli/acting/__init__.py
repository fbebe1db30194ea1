"""What commands do that change something. Each is loaded when its command is called."""
