"""The ports of the engine itself. A lifecycle adds its own (for pods: `rpd.states.ports.world`)."""

from __future__ import annotations

from typing import Protocol

import msgspec

from rpd.journal.records import Body, Record, Stamp


class Clock(Protocol):
    """Time as three clocks; see `Stamp`."""

    def now(self) -> Stamp:
        """The present moment."""
        ...


class Request(msgspec.Struct, frozen=True):
    """Somebody wants the run to end or to be left alone.

    `what`: "interrupt" (SIGINT), "terminate" (SIGTERM), "cancel", "release", "gc", "detach". `detail` holds facts the
    lifecycle may weigh, such as `{"terminal": true}`.
    """

    what: str
    by: str
    detail: dict[str, object] = {}


class Control(Protocol):
    """How the outside reaches a running loop, and the only way the loop sleeps."""

    def pending(self) -> bool:
        """Whether a request waits to be taken; long calls poll it (cheap, any thread)."""
        ...

    def take(self) -> Request | None:
        """The oldest waiting request, removed."""
        ...

    def wait(self, seconds: float) -> None:
        """Sleep; returns early when a request arrives."""
        ...


class JournalWriter(Protocol):
    """The journal as the loop sees it."""

    def append(self, body: Body, *, sync: bool = True) -> Record:
        """Append one record; it is durable when this returns (with `sync`). Raises JournalError."""
        ...


class Random(Protocol):
    """Jitter comes from here, so that a seed reproduces a run."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...
