"""The life of one order for a network volume: made, grown or deleted, and what became of it."""
