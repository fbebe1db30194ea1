"""One file per command, named after it: its options, its help text, and one call."""
