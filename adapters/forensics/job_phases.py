"""The steps of a run's job, from the phase marks in its log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from rpd.adapters.forensics.timeline import wall_of
from rpd.adapters.report.words import duration

STARTED, COMPLETED = "remote_step_started", "remote_step_completed"
_NEAR_SECONDS = 1.0


class JobPhase(msgspec.Struct, frozen=True):
    """One step of one launch. Times are UTC. `seconds` is the time from start to end. Each may be unknown, because the
    job did not print a mark.

    `uncertain_seconds`: by how much start and end together may have been earlier than reported, because no process
    followed the log when they were printed. None if that is not known.
    """

    launch: int
    name: str
    start: str | None
    end: str | None
    seconds: float | None
    uncertain_seconds: float | None

    def words(self) -> str:
        """The step for people."""
        which = f"{self.name} (launch {self.launch})" if self.launch > 1 else self.name
        if self.end is None:
            return f"{which}: begun {self.start}, not ended"
        if self.seconds is None:
            return f"{which}: ended {self.end}, its beginning was not marked"
        is_near = self.uncertain_seconds is not None and self.uncertain_seconds <= _NEAR_SECONDS
        return f"{which}: {'' if is_near else 'about '}{duration(self.seconds)}, from {self.start} to {self.end}"


def steps_of(rows: Iterable[dict[str, Any]]) -> list[JobPhase]:
    """Steps in the order in which they began, from the rows of `steps.jsonl`. A step that begins again after its end is
    another step. A second beginning of a step that goes on (a shell that traces its commands) is not."""
    found: list[JobPhase] = []
    going: dict[tuple[int, str], tuple[int, dict[str, Any]]] = {}
    done: set[tuple[int, str]] = set()
    for row in rows:
        launch, name, event = row.get("launch", 1), row.get("name"), row.get("event")
        if not isinstance(launch, int) or not isinstance(name, str):
            continue
        key = (launch, name)
        if event == STARTED and key not in going:
            going[key] = len(found), row
            found.append(JobPhase(launch, name, row.get("ts_utc"), None, None, _within(row)))
        elif event == COMPLETED and key in going:
            place, begun = going.pop(key)
            done.add(key)
            found[place] = _ended(found[place], begun, row)
        elif event == COMPLETED and key not in done:
            done.add(key)
            found.append(JobPhase(launch, name, None, row.get("ts_utc"), None, _within(row)))
    return found


def _ended(step: JobPhase, begun: dict[str, Any], row: dict[str, Any]) -> JobPhase:
    start, end = wall_of(begun), wall_of(row)
    bounds = (_within(begun), _within(row))
    return msgspec.structs.replace(
        step,
        end=row.get("ts_utc"),
        seconds=None if start is None or end is None else round(max(0.0, end - start), 3),
        uncertain_seconds=None if None in bounds else round(sum(each for each in bounds if each is not None), 3),
    )


def _within(row: dict[str, Any]) -> float | None:
    value = row.get("within_seconds")
    return float(value) if isinstance(value, int | float) else None
