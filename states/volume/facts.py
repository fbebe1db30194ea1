"""What is known of one order for a network volume."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rpd.engine.deadline import elapsed
from rpd.engine.operation import Effect
from rpd.journal.records import Outcome, Stamp
from rpd.states.ports.volume import Volume


@dataclass
class Absence:
    """The looks of this process that prove a deletion. `since` is the first of an unbroken row of looks that saw
    nothing, `until` the last one."""

    interval_seconds: float
    looked_at: Stamp | None = None
    since: Stamp | None = None
    until: Stamp | None = None

    @property
    def is_proved(self) -> bool:
        """Whether the row is as long as the proof interval."""
        if self.since is None or self.until is None:
            return False
        return elapsed(self.since, self.until) >= self.interval_seconds

    def saw(self, is_there: bool, at: Stamp) -> None:
        """One look more."""
        self.looked_at = at
        self.since = None if is_there else self.since or at
        self.until = None if is_there else at


@dataclass
class VolumeFacts:
    """One order. `ended` is its settled outcome, `volume` what the cloud showed of it, `entered` when the present state
    began. `result` is the trigger of the last move, or empty while nothing is decided."""

    order: Effect[Any, Any, Any]
    absence: Absence
    begun: dict[str, tuple[Effect[Any, Any, Any], Stamp]] = field(default_factory=dict)
    is_resumed: bool = False
    was_lost: bool = False
    ended: Outcome | None = None
    volume: Volume | None = None
    entered: Stamp | None = None
    result: str = ""

    @property
    def is_in_doubt(self) -> bool:
        """Whether the order was sent, or may have been, and nobody knows what became of it."""
        return bool(self.begun) and self.ended is None

    @property
    def is_proved_gone(self) -> bool:
        """Whether the volume is gone for good."""
        return self.absence.is_proved
