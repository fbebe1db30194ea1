"""Runs that are over, read from whatever they left: journals, run folders, and the folders of the older tool."""
