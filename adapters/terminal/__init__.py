"""The person at the terminal: output, questions, and the standard streams."""
