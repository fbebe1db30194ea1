"""The job's log is looked at for what it says of a failure: once for each launch, before its pod is given back."""

from __future__ import annotations

from rpd.engine.decision import Look, Pending, Result
from rpd.states.call import pack, repeatable
from rpd.states.facts import Facts
from rpd.states.ports.log_reading import SeenSign
from rpd.states.ports.names import Op, Reason
from rpd.states.ports.world import World

OPERATIONS = frozenset({Op.READ_LOG})
OF_LOG = frozenset(
    {Reason.JOB_FAILED, Reason.MARKER_MISSING, Reason.FAILURE_MARKER, Reason.ARTIFACT_MISSING, Reason.JOB_LOST}
)
"""Endings that the job's own words may explain."""


FULL_DISK = SeenSign("the disk of the job's log was full when the job ended", "disk_full")
"""No line of a log, which had no room for it."""


def decide_reading(facts: Facts) -> Look | None:
    """Look at it; None when that was done, when there is none, and when it could not be done."""
    if facts.results.reading is not None or not facts.launch.intended or facts.tried(Op.READ_LOG).failures:
        return None
    return Look(Op.READ_LOG, pack(log_file=facts.local_log))


def doubts(facts: Facts) -> tuple[SeenSign, ...]:
    """What speaks against a success, the worst first; nothing for whatever is no success."""
    if facts.ending.reason is not Reason.JOB_SUCCEEDED:
        return ()
    seen = facts.results.reading.doubts if facts.results.reading is not None else ()
    is_told = any(each.sign == FULL_DISK.sign for each in seen)
    return seen if is_told or not had_no_room(facts) else (FULL_DISK, *seen)


def had_no_room(facts: Facts) -> bool:
    """The disk of the log was full when the job ended: its last words may be missing."""
    return facts.launch.claim is not None and facts.launch.claim.disk_was_full


def doubt(facts: Facts) -> str | None:
    """What speaks against a success in a sentence; None where there is nothing."""
    seen = doubts(facts)
    if not seen:
        return None
    more = len(seen) - 1
    others = f" (and {more} more such sign{'s' if more > 1 else ''})" if more else ""
    said = seen[0].line if seen[0] is FULL_DISK else f"the job's log says: {seen[0].line}"
    return f"this counts as a success, but {said}{others}"


def perform(pending: Pending, world: World) -> Result:
    """Look at it."""
    return Result(data=pack(reading=world.workspace.read_log(str(pending.args["log_file"]))))


def probe(pending: Pending, world: World) -> Result | None:
    """Nothing here changes the world."""
    return repeatable(pending, world)
