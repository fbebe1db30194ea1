"""Where a process may die: every place that matters calls `reach`, and one of them may be chosen."""

from __future__ import annotations


class Crash(BaseException):
    """The process is gone. No `except Exception` may save it."""


class Fuse:
    """Counts the places it passes; raises Crash at place number `at` (from 0)."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.places: list[str] = []

    def reach(self, place: str) -> None:
        self.places.append(place)
        if self.at is not None and len(self.places) == self.at + 1:
            raise Crash(place)
