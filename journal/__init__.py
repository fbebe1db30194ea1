"""The append-only record of a run, and the lowest room. It knows files, but no cloud.

It imports the standard library and msgspec only.
"""
