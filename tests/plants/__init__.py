"""Bugs that the quick tests must see, one TOML file per area: what is put in for what, what it would cost a user, and
the tests that see it. See docs/reliability.md.
"""
