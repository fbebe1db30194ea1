"""The presentation of a run to people: words, tables, the live view, plain lines, the ending."""
