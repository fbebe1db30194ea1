"""The exit codes of the process (docs/exit-codes.md). This is one enum, because scripts rely on these numbers."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `rpd`. `STILL_BILLING` overrides all others."""

    DONE = 0
    INTERNAL = 1  # a fault of this program
    USAGE = 2  # a wrong command line, a bad job file
    KEY = 4  # key missing or refused, no credit
    JOB_FAILED = 5  # or a step before it, or a required artifact is not there
    NO_CAPACITY = 6  # no stock, over the price cap, hosts that never boot
    BUDGET = 7  # time or money used up
    STILL_BILLING = 8  # a pod computes against the run's policy, or its release is unproved
    JOURNAL = 9  # in use, damaged, too new, of another user, not writable
    LOST = 10  # pod or job vanished
    RESUMABLE = 75  # detached, or stopped with results to collect
    INTERRUPTED = 130  # SIGINT, `rpd cancel`
    TERMINATED = 143  # SIGTERM
