"""The block on a terminal: what it shows, that it fits, and that it goes away."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from rpd.adapters.report.live import LiveView
from rpd.journal.records import Requested, Transition
from tests.adapters.report.samples import facts, record

ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Screen(io.StringIO):
    """A file with an encoding, as a terminal has."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._named = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The terminal's."""
        return self._named


def until(screen: Screen, words: str) -> None:
    deadline = time.monotonic() + 10
    while words not in screen.getvalue():
        assert time.monotonic() < deadline, screen.getvalue()[-2000:]
        time.sleep(0.02)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_block_fits_is_true_and_goes_away(tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Screen(encoding)
    console = Console(file=screen, force_terminal=True, width=60, height=16, legacy_windows=False)
    known = facts(tmp_path)
    view = LiveView(known, console)
    with view:
        started = screen.getvalue()
        assert started.rfind("\x1b[?25h") > started.rfind("\x1b[?25l"), "the cursor survives a kill"
        view.recorded(record(1, Transition("spec_accepted", "validate", "reclaim")))
        view.doing("the \x1b[2Jcloud's answer, which takes its time and is told at length, longer than a row", None)
        Path(known.local_log).parent.mkdir(parents=True, exist_ok=True)
        with Path(known.local_log).open("wb") as log:
            log.write(b"wide \xe6\x97\xa5\xe6\x9c\xac" * 40 + b"\n\x1b[2J\x1b]0;title\x07\rprogress 50%")
        until(screen, "progress 50%")
        until(screen, "the cloud's answer")
        view.recorded(record(2, Requested("interrupt", "Ctrl-C " * 20)))
    shown = screen.getvalue()
    assert "\x1b[2J" not in shown
    assert "title" not in shown
    assert "cost $0.00 so far" in shown
    rows = re.split(r"[\r\n]", ESCAPES.sub("", shown))
    cells = [len(row) + sum(ord(letter) > 0x2FFF for letter in row) for row in rows]
    assert max(cells) <= 60, rows[cells.index(max(cells))]
    if encoding == "ascii":
        assert shown.isascii()
    after = shown[shown.rindex("Ctrl-C") :]
    assert "\x1b[2K" in after, "the block is wiped"
    assert after.rstrip().endswith(("\x1b[?25h", "\x1b[2K"))
