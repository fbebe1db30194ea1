"""A run as plain lines on stderr, for logs, pipes and terminals without a live view."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from rpd.adapters.report.log_tail import LogTail
from rpd.adapters.report.story import tell
from rpd.adapters.report.words import clean, duration, in_encoding, money
from rpd.engine.deadline import elapsed
from rpd.journal.records import Closed, Record, Stamp
from rpd.states.facts import Facts
from rpd.states.fold import apply
from rpd.states.policy import released_by, spent_usd

HEARTBEAT_SECONDS = 60.0
LOG_LOOK_SECONDS = 0.2


class PlainView:
    """A listener that prints one line per event worth one, the job's own output, and a sign of life each minute."""

    def __init__(self, facts: Facts, stream: TextIO | None = None, *, show_log: bool = True) -> None:
        self.facts = facts
        self._stream = stream or sys.stderr
        self._what = ""
        self._last_line = time.monotonic()
        self._at: Stamp | None = None
        self._log = LogTail(Path(facts.local_log)) if show_log else None
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._ticker = threading.Thread(target=self._tick, name="rpd-plain-view", daemon=True)

    def __enter__(self) -> PlainView:
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticker.join()
        self._print_log()
        if self._log is not None and self._log.unfinished:
            self._write(f"  | {self._log.unfinished}")

    def recorded(self, record: Record) -> None:
        """Print what happened."""
        apply(self.facts, record)
        self._at = record.at
        text = tell(record, self.facts)
        if text and not isinstance(record.body, Closed):  # the last words say how it ended
            self._print_log()
            self._print(text)

    def doing(self, what: str, deadline: float | None) -> None:
        """Remember what is awaited, for the sign of life."""
        self._what = what

    def _tick(self) -> None:
        while not self._stop.wait(LOG_LOOK_SECONDS):
            self._print_log()
            if time.monotonic() - self._last_line >= HEARTBEAT_SECONDS and self._at is not None:
                self._print(f"{self.facts.state}: {clean(self._what)}; {cost_line(self.facts, present(self._at))}")

    def _print_log(self) -> None:
        if self._log is None:
            return
        with self._turn:
            self._log.follow(Path(self.facts.local_log))
            for line in self._log.new_lines():
                self._write(f"  | {line}")

    def _print(self, text: str) -> None:
        started = self.facts.started
        passed = elapsed(started, self._at) if started is not None and self._at is not None else 0.0
        with self._turn:
            self._write(f"[{duration(passed):>9}] {text}")

    def _write(self, line: str) -> None:
        self._last_line = time.monotonic()
        try:
            self._stream.write(in_encoding(line, self._stream.encoding) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # the reader went away; the run goes on without one


def cost_line(facts: Facts, now: Stamp) -> str:
    """Spent so far, and who releases the pod."""
    text = f"{money(spent_usd(facts, now))} so far"
    who = released_by(facts, now)
    return f"{text}; released by {who.who}" if who else text


def present(at: Stamp) -> Stamp:
    """The present, on the clocks of `at`, close enough for a line of text."""
    wall = time.time()
    return Stamp(wall, at.up + max(0.0, wall - at.wall), at.boot)
