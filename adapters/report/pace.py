"""The progress of a transfer, its speed, and its expected end: in words, at most once a second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from rpd.adapters.report.words import duration, size

TOLD_SECONDS = 1.0
WINDOW_SECONDS = 15.0
"""The speed is that of the last seconds, because the speed of a link changes."""


class Pace:
    """Call it with the present bytes and all bytes, as often as you like."""

    def __init__(self, what: str, tell: Callable[[str], object], now: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._tell = tell
        self._now = now
        self._told_at = -TOLD_SECONDS
        self._points: deque[tuple[float, int]] = deque()

    def __call__(self, done: int, total: int) -> None:
        now = self._now()
        if now - self._told_at < TOLD_SECONDS:
            return
        self._told_at = now
        if self._points and done < self._points[-1][1]:
            self._points.clear()  # something has to be fetched again
        self._points.append((now, done))
        while len(self._points) > 2 and now - self._points[0][0] > WINDOW_SECONDS:
            self._points.popleft()
        self._tell(f"{self._what}: {size(done)} of {size(total)}{self._speed(total)}")

    def _speed(self, total: int) -> str:
        (began, first), (now, done) = self._points[0], self._points[-1]
        if done <= first or now <= began:
            return ""
        rate = (done - first) / (now - began)
        return f", {size(round(rate))}/s, about {duration((total - done) / rate)} left"
