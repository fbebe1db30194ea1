"""How long a command goes on: until its cloud has been silent for too long, or until a person wants it to end.

A command for which a person waits must not hang on a cloud that does not answer. In every case the command leaves: it
raises `LeaveNow` where the run's loop takes its requests, so that the journal says why, and the debt stays open and is
named.
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
"""For a person who wants one run to end: as long as rpd asks a cloud again that answers and does not let go."""
LONG_SECONDS = 60.0
"""Longer than any pause between two tries. If rpd asked nothing for this long, the time before does not count as
waiting."""


class Patience:
    """The patience of one piece of work with one cloud. The code that calls the cloud reports each question and answer.
    Any thread may `leave`. `leaving` is set once and stays."""

    def __init__(self, seconds: float = math.inf, now: Callable[[], float] = time.monotonic) -> None:
        self.leaving: LeaveNow | None = None
        self.seconds = seconds
        self._now = now
        self._silent_since: float | None = None
        self._failing_since: dict[str, float] = {}
        self._tried_at = -math.inf

    def asked(self, what: str) -> None:
        """A question begins. It counts from its first try, however often it is asked again. If nothing was asked for a
        long time, all questions begin anew."""
        now = self._now()
        if now - self._tried_at > LONG_SECONDS:
            self._failing_since, self._silent_since = {}, None
        self._failing_since.setdefault(what, now)
        self._silent_since = self._silent_since if self._silent_since is not None else now

    def answered(self, what: str) -> None:
        """A meaningful answer, even a no."""
        self._failing_since.pop(what, None)
        self._silent_since = None

    def seconds_left(self, what: str) -> float:
        """For this question: since it was first asked in vain, and since the last answer to any question."""
        now = self._now()
        since = min(self._failing_since.get(what, now), self._silent_since if self._silent_since is not None else now)
        return since + self.seconds - now

    def is_over(self, what: str, cloud: str, why: str) -> bool:
        """Whether the patience is used up. Then this work leaves."""
        self._tried_at = self._now()
        if self.seconds_left(what) > 0.0:
            return False
        text = f"{cloud} has not answered for {self.seconds:.0f} s ({why})"
        self.leave(LeaveNow(text, Exit.STILL_BILLING))
        return True

    def leave(self, leaving: LeaveNow) -> None:
        """End at the next opportunity. The first reason stays."""
        self.leaving = self.leaving or leaving

    def leave_on(self, request: Request) -> None:
        """The same for a signal, as `signal_requests` brings it. Safe in a signal handler."""
        self.leave(LeaveNow.on(request))
