"""What a run looks like to people: words, tables, the live view, plain lines, the ending."""
