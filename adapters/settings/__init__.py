"""The user's settings: one TOML file, the environment over it, and where each value came from."""
