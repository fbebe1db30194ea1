"""The append-only record of a run: the lowest room. It knows files; it knows no cloud.

Imports the standard library and msgspec only.
"""
