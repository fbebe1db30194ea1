"""A run on a terminal. One live block on stderr has the state, the time in it, what is awaited, the cost so far and the
rate, and the last lines of the job's log. Above it stands the story as it happens."""

from __future__ import annotations

import contextlib
import os
import textwrap
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console, Group, OverflowMethod
from rich.live import Live
from rich.text import Text

from rpd.adapters.report.log_tail import LogTail
from rpd.adapters.report.paint import has_colour
from rpd.adapters.report.plain import present
from rpd.adapters.report.story import tell
from rpd.adapters.report.words import clean, clock, duration, in_encoding, money, rate
from rpd.engine.deadline import elapsed
from rpd.journal.records import Closed, Record, Stamp
from rpd.states.facts import Facts
from rpd.states.fold import apply
from rpd.states.policy.rules import cost_cap, released_by, spent_usd, usd_per_hour

TAIL_LINES = 8
TAIL_BYTES = 1 << 16
REDRAWS_PER_SECOND = 4
STORY_INDENT = 11
OTHER_LINES = 6
"""Rows of the terminal that the log may not take."""
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII_FRAMES = "-\\|/"


class LiveView:
    """A listener that redraws in a separate thread, joined on exit. If the terminal goes away, the run goes on."""

    erases_log = True

    def __init__(self, facts: Facts, console: Console | None = None) -> None:
        self.facts = facts
        self._console = console or Console(stderr=True, highlight=False, no_color=not has_colour())
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._is_unicode = shows_unicode(self._console.encoding)
        self._what = ""
        self._is_paused = False
        self._deadline: float | None = None
        self._at: Stamp | None = None
        self._log = LogTail(Path(facts.local_log))
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._ticker = threading.Thread(target=self._tick, name="rpd-live-view", daemon=True)

    def __enter__(self) -> LiveView:
        with contextlib.suppress(OSError):
            self._live.start()
            self._console.show_cursor(True)  # a killed process cannot show the cursor again
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticker.join()
        with contextlib.suppress(OSError):
            self._live.stop()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is drawn inside the block: a person is asked something."""
        with self._turn:
            self._is_paused = True
        with contextlib.suppress(OSError):
            self._live.stop()  # it also holds back a line that has no end, as a question has none
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                self._live.start()
            self._is_paused = False

    def recorded(self, record: Record) -> None:
        """Print what happened, above the block."""
        with self._turn:
            apply(self.facts, record)
            self._at = record.at
            text = tell(record, self.facts)
        if text and not isinstance(record.body, Closed):  # the last words say how it ended
            passed = elapsed(self.facts.progress.started, record.at) if self.facts.progress.started else 0.0
            with contextlib.suppress(OSError):
                self._console.print(self._story_line(duration(passed), self._fit(text)), soft_wrap=True)

    def doing(self, what: str, deadline: float | None) -> None:
        """What is awaited, and until when."""
        self._what, self._deadline = clean(what), deadline

    def _tick(self) -> None:
        while not self._stop.wait(1.0 / REDRAWS_PER_SECOND):
            self._log.follow(Path(self.facts.local_log))
            self._log.skip_to_last(TAIL_BYTES)  # if a job prints faster than lines can be read, show its newest lines
            self._tail.extend(self._log.new_lines())
            if self._at is not None and not self._is_paused:
                with self._turn:
                    block = self._block(present(self._at))
                with contextlib.suppress(OSError):
                    self._live.update(block, refresh=True)

    def _block(self, now: Stamp) -> Group:
        log = [*self._tail, self._log.unfinished] if self._log.unfinished else [*self._tail]
        room = max(1, min(TAIL_LINES, self._console.height - OTHER_LINES))
        bar = "│" if self._is_unicode else "|"
        rows = [(f"  {bar} {line.expandtabs()}", "dim") for line in log[-room:]]
        rows += [(f"  {line}", "bold") for line in service_lines(self.facts)]
        rows += [(self._state_row(now), "bold cyan"), (self._cost_row(now), "green"), *self._owner_rows(now)]
        overflow: OverflowMethod = "ellipsis" if self._is_unicode else "crop"
        return Group(*(Text(self._fit(row), style=style, no_wrap=True, overflow=overflow) for row, style in rows))

    def _story_line(self, when: str, text: str) -> Text:
        """A time, and the text beside it, broken between words."""
        width = max(30, self._console.width - STORY_INDENT)
        rows = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
        head = Text(f"{when:>{STORY_INDENT - 2}}  ", style="dim")
        return head + Text(f"\n{' ' * STORY_INDENT}".join(rows))

    def _state_row(self, now: Stamp) -> str:
        facts = self.facts
        frames = FRAMES if self._is_unicode else ASCII_FRAMES
        frame = frames[int(now.wall * REDRAWS_PER_SECOND) % len(frames)]
        waited = duration(elapsed(facts.progress.entered, now)) if facts.progress.entered else ""
        until = f" (until {clock(self._deadline)})" if self._deadline else ""
        return f"{frame} {facts.state}  {waited}  {self._what}{until}"

    def _cost_row(self, now: Stamp) -> str:
        facts = self.facts
        spent, hourly = spent_usd(facts, now), usd_per_hour(facts)
        going = f", {rate(hourly)}" if hourly else ""
        return f"  cost {money(spent)} so far (est.){going}, cap {money(cost_cap(facts))}"

    def _owner_rows(self, now: Stamp) -> list[tuple[str, str]]:
        who = released_by(self.facts, now)
        if who is None:
            return []
        if who.at is None:
            return [(f"  if this machine never returns: {who.who}", "yellow")]
        worst = money(who.worst_case_usd or 0.0)
        return [(f"  if this machine never returns: {who.who}, {clock(who.at)}, at most {worst}", "dim")]

    def _fit(self, text: str) -> str:
        """The part of the text that this terminal can show."""
        return in_encoding(text, self._console.encoding if self._is_unicode else "ascii")


def service_lines(facts: Facts) -> list[str]:
    """Where the services of a session are, and which of them do not answer."""
    return [
        f"http://127.0.0.1:{each.local_port}  port {each.port} of the pod" + ("" if each.is_ready else f": {each.said}")
        for each in facts.container.served
        if each.local_port is not None
    ]


def shows_unicode(encoding: str | None, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to show more than ASCII. Python writes UTF-8 in the C locale too, but the terminal may not show it."""
    named = environ.get("LC_ALL") or environ.get("LANG") or ""
    return "utf" in (encoding or "").lower() and named not in ("C", "POSIX")
