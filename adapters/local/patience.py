"""How long a command goes on: until its cloud has been silent for too long, or until somebody wants it to end.

A command that a person waits for must not hang on a cloud that does not answer. Whatever ends it, it leaves: it raises
`LeaveNow` where the run's loop takes its requests, so that the journal says why, and the debt stays open and is named.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rpd.adapters.local.signals import LeaveNow
from rpd.engine.ports import Request
from rpd.states.ports.exits import Exit

ANSWER_SECONDS = 60.0
"""For one cloud among several, and for commands that only look."""
OWN_SECONDS = 900.0
"""For a person who wants one run to end: as long as a cloud that answers and does not let go is asked again."""
LONG_SECONDS = 60.0
"""Longer than any pause between two tries; whoever asked nothing for so long has not waited in vain meanwhile."""


class Patience:
    """Of one piece of work with one cloud. Whoever calls the cloud tells of each question and answer; any thread may
    `leave`. `leaving` is set once and stays."""

    def __init__(self, seconds: float = math.inf, now: Callable[[], float] = time.monotonic) -> None:
        self.leaving: LeaveNow | None = None
        self.seconds = seconds
        self._now = now
        self._silent_since: float | None = None
        self._failing_since: dict[str, float] = {}
        self._tried_at = -math.inf

    def asked(self, what: str) -> None:
        """A question begins: it counts from its first try, however often it is asked again. What was left unasked for
        long begins anew."""
        now = self._now()
        if now - self._tried_at > LONG_SECONDS:
            self._failing_since, self._silent_since = {}, None
        self._failing_since.setdefault(what, now)
        self._silent_since = self._silent_since if self._silent_since is not None else now

    def answered(self, what: str) -> None:
        """An answer that means something, be it a no."""
        self._failing_since.pop(what, None)
        self._silent_since = None

    def seconds_left(self, what: str) -> float:
        """For this question: since it was first asked in vain, and since anything was answered at all."""
        now = self._now()
        since = min(self._failing_since.get(what, now), self._silent_since if self._silent_since is not None else now)
        return since + self.seconds - now

    def is_over(self, what: str, cloud: str, why: str) -> bool:
        """Whether it is used up; then this work leaves."""
        self._tried_at = self._now()
        if self.seconds_left(what) > 0.0:
            return False
        text = f"{cloud} has not answered for {self.seconds:.0f} s ({why})"
        self.leave(LeaveNow(text, Exit.STILL_BILLING))
        return True

    def leave(self, leaving: LeaveNow) -> None:
        """End at the next opportunity; the first reason stays."""
        self.leaving = self.leaving or leaving

    def leave_on(self, request: Request) -> None:
        """The same for a signal, as `signal_requests` brings it. Safe in a signal handler."""
        self.leave(LeaveNow.on(request))
