"""This machine: clocks, folders, processes, signals, secrets of the environment."""
