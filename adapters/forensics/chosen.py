"""Which of many runs a person means."""

from __future__ import annotations

import time

import msgspec

from rpd.adapters.forensics.timeline import age_seconds, wall_of
from rpd.engine.errors import UserError
from rpd.states.ports.names import RunOutcome

OUTCOMES = (*(str(each) for each in RunOutcome), "unfinished")


class Chosen(msgspec.Struct, frozen=True):
    """The choice of runs. Times are UTC seconds."""

    workflow: str | None = None
    outcomes: tuple[str, ...] = ()
    since: float | None = None
    before: float | None = None

    @classmethod
    def from_options(
        cls, *, workflow: str | None, outcomes: list[str] | None, since: str | None, older_than: str | None
    ) -> Chosen:
        """The choice as it was typed. Raises UserError."""
        unknown = [each for each in outcomes or () if each not in OUTCOMES]
        if unknown:
            raise UserError(f"--outcome {unknown[0]!r} is not known", hint=", ".join(OUTCOMES))
        now = time.time()
        begin = now - age_seconds(since) if since is not None else None
        end = now - age_seconds(older_than) if older_than is not None else None
        return cls(workflow, tuple(outcomes or ()), begin, end)

    def holds(self, workflow: str, outcome: str | None, started: str | None) -> bool:
        """Whether a run is among them. A run whose beginning is not known is in no span of time."""
        if self.workflow not in (None, workflow) or (self.outcomes and (outcome or "unfinished") not in self.outcomes):
            return False
        at = wall_of({"ts_utc": started})
        if at is None:
            return self.since is None and self.before is None
        return (self.since is None or at >= self.since) and (self.before is None or at <= self.before)
