"""Virtual time. `real` is what a clock on the wall of the world shows; the machine's own three clocks derive from
it."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from rpd.engine.ports import Request
from rpd.journal.records import Stamp

START_WALL = 1_800_000_000.0
LEAST_STEP = 1e-3


class FakeClock:
    """Moves only when told to. Events planned with `after` happen while it moves."""

    def __init__(self) -> None:
        self.real = 0.0
        self._wall_offset = START_WALL
        self._booted_at = -1000.0
        self._boots = 1
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0

    def now(self) -> Stamp:
        return Stamp(self.real + self._wall_offset, self.real - self._booted_at, f"boot-{self._boots}")

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        self._planned += 1
        heapq.heappush(self._events, (self.real + seconds, self._planned, event))

    def advance(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass; stops early when `until` becomes true. An event may move the clock further (a sleep)."""
        end = self.real + (seconds if seconds > LEAST_STEP else LEAST_STEP)
        while self._events and self._events[0][0] <= end and not until():
            moment, _, event = heapq.heappop(self._events)
            self.real = max(self.real, moment)
            event()
        if end > self.real and not until():
            self.real = end

    def sleep_machine(self, seconds: float) -> None:
        """The machine sleeps: no code runs, every clock of it runs on."""
        self.real += seconds

    def set_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock by this much."""
        self._wall_offset += seconds

    def reboot(self, seconds: float = 60.0) -> None:
        self.real += seconds
        self._booted_at = self.real
        self._boots += 1


class FakeControl:
    """Requests from a list; waiting moves the clock. `waits` is how long was slept."""

    def __init__(self, clock: FakeClock, *requests: Request) -> None:
        self.clock = clock
        self.waits: list[float] = []
        self._requests = list(requests)

    def ask(self, what: str, **detail: object) -> None:
        self._requests.append(Request(what, "test", detail))

    def ask_after(self, seconds: float, what: str, **detail: object) -> None:
        self.clock.after(seconds, lambda: self.ask(what, **detail))

    def pending(self) -> bool:
        return bool(self._requests)

    def take(self) -> Request | None:
        return self._requests.pop(0) if self._requests else None

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(seconds, until=self.pending)
