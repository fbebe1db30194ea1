"""The world: every side effect is below this package, and nothing else is."""
