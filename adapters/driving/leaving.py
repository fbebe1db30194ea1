"""Leaving a session: Ctrl-C on a terminal asks what shall become of the pod, and says what each choice costs."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.patience import Patience
from rpd.adapters.report.words import clock, money, rate
from rpd.adapters.terminal import output
from rpd.engine.ports import Request
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.policy import cost
from rpd.states.policy.rules import budget_seconds_left, is_protected, spent_usd, usd_per_hour
from rpd.states.ports.names import State

ANSWER_SECONDS = 60.0
"""How long a person may think, wrong answers included. Then the pod is stopped: it bills meanwhile."""
LETTERS = {"stop": "s", "delete": "d", "keep": "k"}
"""Whole words that are answers, too. Another word is none, also if it begins alike: `detach` must not delete."""


class SessionControl(ProcessControl):
    """The control of a session. Ctrl-C on a terminal becomes what the person chooses, once somebody was connected.
    `read` gives the present facts. `shown` makes room on the screen for the question.
    """

    def __init__(self, journal_path: Path, *, epoch: int, patience: Patience | None, read: Callable[[], Facts]) -> None:
        super().__init__(journal_path, epoch=epoch, patience=patience)
        self._read = read
        self._goes_on = False
        self.shown: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext

    def take(self) -> Request | None:
        """The oldest waiting request. The question is asked here, between two steps of the loop."""
        request = super().take()
        if request is None or request.what != "interrupt" or not request.detail.get("terminal"):
            return request
        facts = self._read()
        if facts.state is not State.ATTEND or facts.pod is None:
            return request
        with self.shown():
            return self._chosen(facts, SystemClock().now())

    def is_answered(self) -> bool:
        """Whether the last question was answered with going on; once."""
        goes_on, self._goes_on = self._goes_on, False
        return goes_on

    def _chosen(self, facts: Facts, now: Stamp) -> Request | None:
        until = now.wall + budget_seconds_left(facts, now)
        choices = choices_of(facts, now, until)
        output.note(["", f"leave session {facts.opened.workflow}?", *choices.values()])
        _forget_typed()
        deadline = time.monotonic() + ANSWER_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            output.prompt(f"[{'/'.join(choices)}; Enter: go on; no answer in {left:.0f} s: stop] ")
            word = _typed(left)
            if word is None:
                break
            if word == "":
                self._goes_on = True
                return None
            letter = LETTERS.get(word.lower(), word.lower())
            if letter in choices:
                how = {"s": "stop", "d": "delete", "k": "preserve"}[letter]
                detail: dict[str, object] = {"how": how, "until": until} if letter == "k" else {"how": how}
                return Request("leave", "you", detail)
        return Request("leave", "no answer", {})


def choices_of(facts: Facts, now: Stamp, until: float) -> dict[str, str]:
    """Each choice with its cost. A pod can be kept only if its switch would stop it."""
    hourly, spent = usd_per_hour(facts), spent_usd(facts, now)
    monthly = money(cost.stopped_usd_per_month(facts.volume_gb))
    most = money(spent + cost.usd(hourly, until - now.wall))
    choices = {
        "s": f"  s  stop it: its volume stays, at about {monthly} a month; the rest of its disk is wiped",
        "d": f"  d  delete it with all that is on it: it ends at {money(spent)}",
    }
    if is_protected(facts):
        choices["k"] = (
            f"  k  keep it up at {rate(hourly)} until {clock(until)}, when its switch stops it: at most {most}"
        )
    return choices


def _forget_typed() -> None:
    """Effect: drop what was typed before the question could be read. It is no answer to it."""
    with contextlib.suppress(OSError, ValueError, termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _typed(seconds: float) -> str | None:
    """A line of the terminal, without blanks around it. None without one, or if the terminal is gone."""
    with contextlib.suppress(OSError, ValueError):
        ready, _, _ = select.select([sys.stdin.fileno()], [], [], seconds)
        line = os.read(sys.stdin.fileno(), 4096) if ready else b""
        return line.decode(errors="replace").strip() if line else None
    return None
