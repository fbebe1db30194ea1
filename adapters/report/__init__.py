"""What a run looks like to people: live view, plain lines, inspect."""
