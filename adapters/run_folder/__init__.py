"""What stands on this machine for a run: its folder, the log in it, and who is told."""
