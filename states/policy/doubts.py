"""What the job's own output says about its end."""

from __future__ import annotations

from rpd.states.facts import Facts
from rpd.states.ports.log_reading import SeenSign
from rpd.states.ports.names import Reason

OF_LOG = frozenset(
    {Reason.JOB_FAILED, Reason.MARKER_MISSING, Reason.FAILURE_MARKER, Reason.ARTIFACT_MISSING, Reason.JOB_LOST}
)
"""Endings that the job's own output may explain."""


FULL_DISK = SeenSign("the disk of the job's log was full when the job ended", "disk_full")
"""This sign is not a line of the log, because the log had no room for it."""


def doubts(facts: Facts) -> tuple[SeenSign, ...]:
    """Doubts about a success, the worst first. Empty if the run is no success."""
    if facts.ending.reason is not Reason.JOB_SUCCEEDED:
        return ()
    seen = facts.results.reading.doubts if facts.results.reading is not None else ()
    is_named = any(each.sign == FULL_DISK.sign for each in seen)
    return seen if is_named or not had_no_room(facts) else (FULL_DISK, *seen)


def had_no_room(facts: Facts) -> bool:
    """The disk of the log was full when the job ended: the last lines of the log may be missing."""
    return facts.launch.claim is not None and facts.launch.claim.disk_was_full


def doubt(facts: Facts) -> str | None:
    """The doubts about a success in one sentence; None if there are none."""
    seen = doubts(facts)
    if not seen:
        return None
    more = len(seen) - 1
    others = f" (and {more} more such sign{'s' if more > 1 else ''})" if more else ""
    text = seen[0].line if seen[0] is FULL_DISK else f"the job's log says: {seen[0].line}"
    return f"this counts as a success, but {text}{others}"
