"""Read the job's log for signs of a failure: once for each launch, before its pod is given back."""

from __future__ import annotations

from rpd.engine.decision import Look
from rpd.states.facts import Facts
from rpd.states.operations.results import ReadLog
from rpd.states.ports.names import Op


def decide_reading(facts: Facts) -> Look | None:
    """Read the log. None if this was done, if there is no log, or if it failed."""
    if facts.results.reading is not None or not facts.launch.intended or facts.tried(Op.READ_LOG).failures:
        return None
    return Look(ReadLog(facts.local_log))
