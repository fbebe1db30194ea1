"""The ports of the engine itself. A lifecycle adds its own (for pods: `rpd.states.ports.world`)."""

from __future__ import annotations

from typing import Protocol

import msgspec

from rpd.journal.records import Body, Record, Stamp


class Clock(Protocol):
    """Time on three clocks; see `Stamp`."""

    def now(self) -> Stamp:
        """The present moment."""
        ...


class Request(msgspec.Struct, frozen=True):
    """A person or a signal wants the run to end or to be left alone.

    `what`: "interrupt" (SIGINT), "terminate" (SIGTERM), "cancel", "release", "gc", "detach". `detail` holds facts that
    the lifecycle may use, such as `{"terminal": true}`.
    """

    what: str
    by: str
    detail: dict[str, object] = {}


class Control(Protocol):
    """How the outside reaches a running loop. The loop sleeps only here."""

    def pending(self) -> bool:
        """Whether a request waits. Long calls poll it (cheap, any thread)."""
        ...

    def take(self) -> Request | None:
        """Remove the oldest waiting request and return it."""
        ...

    def wait(self, seconds: float) -> None:
        """Sleep. Returns early when a request arrives."""
        ...


class JournalWriter(Protocol):
    """The journal as the loop sees it."""

    def append(self, body: Body, *, sync: bool = True) -> Record:
        """Append one record. It is durable when this returns (with `sync`). Raises JournalError."""
        ...


class Random(Protocol):
    """The source of jitter, so that a seed reproduces a run."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...
