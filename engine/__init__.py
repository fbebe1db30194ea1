"""A durable finite-state machine for any domain: rules as data, one loop, intent before effect.

It imports `rpd.journal` and, in `machine.py` alone, `transitions`.
"""
