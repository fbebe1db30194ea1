"""What this machine keeps for a run: its folder, the log in it, and its notices."""
