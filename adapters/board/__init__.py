"""One live screen over all runs, sessions and pods."""
