"""A run on a terminal: one live block on stderr with the state, the time in it, what is awaited, the cost so far and the rate,
and the last lines of the job's log; above it, the story as it happens."""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from rpd.adapters.report.plain import LogTail
from rpd.adapters.report.story import tell
from rpd.adapters.report.words import clean, clock, duration, money, rate
from rpd.engine.deadline import elapsed
from rpd.journal.records import Record, Stamp
from rpd.states.facts import Facts
from rpd.states.fold import apply
from rpd.states.policy import released_by, spent_usd, usd_per_hour

TAIL_LINES = 8
REDRAWS_PER_SECOND = 4


class LiveView:
    """A listener with a redraw thread of its own, joined on exit."""

    def __init__(self, facts: Facts, console: Console | None = None) -> None:
        self.facts = facts
        self._console = console or Console(stderr=True, highlight=False)
        self._live = Live(
            console=self._console, refresh_per_second=REDRAWS_PER_SECOND, transient=True, auto_refresh=False
        )
        self._spinner = Spinner("dots" if "utf" in (self._console.encoding or "") else "line")
        self._what = ""
        self._deadline: float | None = None
        self._at: Stamp | None = None
        self._log = LogTail(Path(facts.local_log))
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._ticker = threading.Thread(target=self._tick, name="rpd-live-view", daemon=True)

    def __enter__(self) -> LiveView:
        self._live.start()
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticker.join()
        self._live.stop()

    def recorded(self, record: Record) -> None:
        """Say what happened, above the block."""
        with self._turn:
            apply(self.facts, record)
            self._at = record.at
            text = tell(record, self.facts)
        if text:
            passed = elapsed(self.facts.started, record.at) if self.facts.started else 0.0
            self._console.print(Text(f"{duration(passed):>9}  ", style="dim") + Text(text), soft_wrap=True)

    def doing(self, what: str, deadline: float | None) -> None:
        """What is awaited, and until when."""
        self._what, self._deadline = clean(what), deadline

    def _tick(self) -> None:
        while not self._stop.wait(1.0 / REDRAWS_PER_SECOND):
            self._tail.extend(self._log.new_lines())
            if self._at is not None:
                with self._turn:
                    block = self._block(_now(self._at))
                self._live.update(block, refresh=True)

    def _block(self, now: Stamp) -> Group:
        facts = self.facts
        grid = Table.grid(padding=(0, 1))
        waited = duration(elapsed(facts.entered, now)) if facts.entered else ""
        until = f" (until {clock(self._deadline)})" if self._deadline else ""
        grid.add_row(
            self._spinner, Text(str(facts.state), style="bold cyan"), Text(waited), Text(f"{self._what}{until}")
        )
        spent, hourly = spent_usd(facts, now), usd_per_hour(facts)
        lines = [
            Text(
                f"  cost {money(spent)} so far (est.), {rate(hourly)}, cap {money(facts.job.budget.cost_cap_usd)}",
                style="green",
            )
        ]
        who = released_by(facts, now)
        if who is not None and who.at is not None:
            lines.append(
                Text(
                    f"  if this machine never returns: {who.who}, {clock(who.at)}, worst case {money(who.worst_case_usd or 0)}",
                    style="dim",
                )
            )
        elif who is not None:
            lines.append(Text(f"  released by {who.who}", style="yellow"))
        width = max(20, self._console.width - 4)
        return Group(*(Text(f"  │ {line[:width]}", style="dim") for line in self._tail), grid, *lines)


def _now(at: Stamp) -> Stamp:
    wall = time.time()
    return Stamp(wall, at.up + max(0.0, wall - at.wall), at.boot)
