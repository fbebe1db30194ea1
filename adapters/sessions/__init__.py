"""Sessions: a pod in which a person works: what is asked for, its name, how it begins, and one in the background."""
