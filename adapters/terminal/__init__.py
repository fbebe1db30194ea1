"""The person at the terminal: what is printed, what is asked, and the standard streams."""
