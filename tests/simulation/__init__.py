"""The shipped engine, states, journal and codec in one thread on a virtual clock, under every crash and fault.

The cloud's ledger judges, never the journal. See docs/reliability.md.
"""
