"""The world during one step: its truth, its clock, its answers, and what an effect must have before it may happen."""

from __future__ import annotations

from rpd.journal.records import Intent, Record, Stamp
from rpd.states.ports.names import Op
from tests.simulation.model.choices import Choices
from tests.simulation.model.truth import PodTruth, Truth

START_WALL = 1_800_000_000.0
LATENCY_SECONDS = 0.1


class Violation(BaseException):
    """The shipped code did what it must never do. No `except Exception` of it may save it."""


class Died(BaseException):
    """The process is gone; what it had written stays."""


class StepOver(BaseException):
    """The engine is about to begin its next step."""


def stamp(at: float) -> Stamp:
    """The model's moment as the journal has it; no machine of the model reboots."""
    return Stamp(START_WALL + at, 1000.0 + at, "boot-1")


class Reality:
    """What the ports of one step share."""

    def __init__(self, truth: Truth, at: float, choices: Choices) -> None:
        self.truth = truth
        self.at = at
        self.choices = choices
        self.last_record: Record | None = None
        self.probing: str | None = None
        self.spared: dict[str, str] = {}  # ids of pods that must not be deleted now -> why

    def now(self) -> Stamp:
        """The port `Clock`."""
        return stamp(self.at)

    def pass_time(self, seconds: float) -> None:
        """Let it be later."""
        self.at += max(seconds, 1e-3)
        self.truth = self.truth.settled(self.at)

    def ask(self, *answers: str) -> str:
        """One request and one of its answers."""
        self.pass_time(LATENCY_SECONDS)
        return self.choices.pick(*answers)

    def put(self, pod: PodTruth) -> None:
        """The world changes."""
        self.truth = self.truth.with_pod(pod)

    def effect(self, op: Op) -> None:
        """Something is about to change out there: only a durable intent for exactly this permits it."""
        if self.probing is not None:
            raise Violation(f"the probe of {self.probing} causes {op}")
        body = self.last_record.body if self.last_record is not None else None
        if not isinstance(body, Intent) or body.op != op:
            raise Violation(f"{op} without an intent in the journal")
