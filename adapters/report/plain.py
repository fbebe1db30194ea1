"""A run as plain lines on stderr, for logs, pipes and terminals without a live view."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from rpd.adapters.report.log_tail import LogTail
from rpd.adapters.report.story import tell
from rpd.adapters.report.words import clean, duration, in_encoding, money
from rpd.engine.deadline import elapsed
from rpd.journal.records import Closed, Record, Stamp
from rpd.states.facts import Facts
from rpd.states.fold import apply
from rpd.states.policy.rules import released_by, spent_usd

HEARTBEAT_SECONDS = 60.0
LOG_LOOK_SECONDS = 0.2
BEHIND_SECONDS = 0.05
"""The pause between two pieces of a longer log: the run needs the processor as well."""
REST_SECONDS = 1.0
"""How long the rest of the job's output may delay the end of the process. No pod waits for it."""
LAST_BYTES = 1 << 14
"""How much of a log's end is shown in any case."""


class PlainView:
    """A listener that prints one line per important event, the job's own output, and a sign of life each minute. It
    prints in a separate thread, so a slow or stopped reader does not delay the release of a pod."""

    erases_log = False

    def __init__(self, facts: Facts, stream: TextIO | None = None, *, show_log: bool = True) -> None:
        self.facts = facts
        self._stream = stream or sys.stderr
        self._what = ""
        self._last_line = time.monotonic()
        self._at: Stamp | None = None
        self._log = LogTail(Path(facts.local_log)) if show_log else None
        self._queued: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._news = threading.Event()
        self._turn = threading.Lock()
        self._ticker = threading.Thread(target=self._tick, name="rpd-plain-view", daemon=True)

    def __enter__(self) -> PlainView:
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._news.set()
        self._ticker.join()
        self._print_rest()

    def recorded(self, record: Record) -> None:
        """Queue a line about what happened."""
        with self._turn:
            apply(self.facts, record)
            self._at = record.at
            text = tell(record, self.facts)
        if text and not isinstance(record.body, Closed):  # the last words say how it ended
            self._queued.put(self._stamped(text, record.at))
            self._news.set()

    def doing(self, what: str, deadline: float | None) -> None:
        """Remember what is awaited, for the sign of life."""
        self._what = what

    def _tick(self) -> None:
        while not self._stop.is_set():
            is_behind = self._log is not None and self._log.is_behind
            self._news.wait(BEHIND_SECONDS if is_behind else LOG_LOOK_SECONDS)
            self._news.clear()
            self._print_new()
            if time.monotonic() - self._last_line >= HEARTBEAT_SECONDS and self._at is not None:
                with self._turn:
                    now = present(self._at)
                    words = f"{self.facts.state}: {clean(self._what)}; {cost_line(self.facts, now)}"
                    line = self._stamped(words, now)
                self._write([line])

    def _print_new(self) -> None:
        """Print a piece of the job's output, and what has happened."""
        told = _taken(self._queued)  # first, so that the job's reaction to it is printed after it
        if self._log is not None:
            self._log.follow(Path(self.facts.local_log))
            self._print_piece(self._log)
        self._write(told)

    def _print_piece(self, log: LogTail) -> None:
        self._write(f"  | {line}" for line in log.new_lines())

    def _print_rest(self) -> None:
        """Print the rest of the job's output, or, if that takes too long, its last lines."""
        self._print_new()
        if self._log is None:
            return
        until = time.monotonic() + REST_SECONDS
        while self._log.is_behind and time.monotonic() < until:
            self._print_piece(self._log)
        for _ in range(self._log.files):
            self._print_last(self._log)
        if self._log.unfinished:
            self._write([f"  | {self._log.unfinished}"])

    def _print_last(self, log: LogTail) -> None:
        """Print the last lines of the file in hand, after a line that says how much is missing before them."""
        left_out = log.skip_to_last(LAST_BYTES)
        is_newest = str(log.path) == self.facts.local_log
        where = f"rpd logs {self.facts.run_id}" if is_newest else clean(str(log.path))
        if left_out:
            self._write([f"... {left_out} bytes not shown: {where}"])
        self._print_piece(log)

    def _stamped(self, text: str, at: Stamp) -> str:
        started = self.facts.progress.started
        passed = elapsed(started, at) if started is not None else 0.0
        return f"[{duration(passed):>9}] {text}"

    def _write(self, lines: Iterable[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        if not text:
            return
        self._last_line = time.monotonic()
        try:
            self._stream.write(in_encoding(text, self._stream.encoding))
            self._stream.flush()
        except (OSError, ValueError):
            pass  # the reader went away; the run goes on without one


def _taken(told: queue.SimpleQueue[str]) -> list[str]:
    """All waiting texts, removed from the queue."""
    lines = []
    with contextlib.suppress(queue.Empty):
        while True:
            lines.append(told.get_nowait())
    return lines


def cost_line(facts: Facts, now: Stamp) -> str:
    """The cost so far, and who releases the pod."""
    text = f"{money(spent_usd(facts, now))} so far"
    who = released_by(facts, now)
    return f"{text}; released by {who.who}" if who else text


def present(at: Stamp) -> Stamp:
    """The present, on the clocks of `at`, accurate enough for a line of text."""
    wall = time.time()
    return Stamp(wall, at.up + max(0.0, wall - at.wall), at.boot)
