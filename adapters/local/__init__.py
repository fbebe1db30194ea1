"""This machine: clocks, folders, job files, run folders, signals."""
