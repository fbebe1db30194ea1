"""Driving a run from this process: signals, the view, the index, and the exit code at the end."""
