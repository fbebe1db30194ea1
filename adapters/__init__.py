"""The world: every side effect lives below this package, and nothing else does."""
