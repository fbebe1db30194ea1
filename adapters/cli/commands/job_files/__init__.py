"""The commands about job files that have not run yet."""
