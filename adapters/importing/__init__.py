"""Files of other tools as job files: what they mean, and a comment for what has no counterpart."""
