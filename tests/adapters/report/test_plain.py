"""Plain lines: whoever reads them sees the last words of the job, and nobody waits for them who should not."""

from __future__ import annotations

import io
import re
import threading
from pathlib import Path

import pytest

from rpd.adapters.report import plain
from rpd.adapters.report.plain import PlainView
from rpd.journal.records import Requested, Stamp
from rpd.states.facts import Facts
from tests.adapters.report.samples import facts, record

LAST = "RuntimeError: the last words"
CHATTER = "".join(f"{number}\n" for number in range(400_000))


def grow(known: Facts, text: str) -> None:
    Path(known.local_log).parent.mkdir(parents=True, exist_ok=True)
    with Path(known.local_log).open("a") as log:
        log.write(text)


def job_lines(stream: io.StringIO) -> str:
    """The job's output as it was shown."""
    shown = stream.getvalue().splitlines(keepends=True)
    return "".join(line.removeprefix("  | ") for line in shown if line.startswith("  | "))


def test_the_end_of_a_chatty_job_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "REST_SECONDS", 60.0)
    known, stream = facts(tmp_path), io.StringIO()
    with PlainView(known, stream):
        grow(known, f"{CHATTER}{LAST}")
    assert job_lines(stream) == f"{CHATTER}{LAST}\n"


def test_the_log_of_a_launch_is_shown_to_its_end_before_that_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "REST_SECONDS", 60.0)
    known, stream = facts(tmp_path), io.StringIO()
    with PlainView(known, stream):
        grow(known, f"{CHATTER}{LAST}")
        known.launch.number = 2
        grow(known, "again\n")
    assert job_lines(stream) == f"{CHATTER}{LAST}\nagain\n"


def test_what_would_hold_back_the_end_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "LOG_LOOK_SECONDS", 60.0)
    monkeypatch.setattr(plain, "REST_SECONDS", 0.0)
    known, stream = facts(tmp_path), io.StringIO()
    with PlainView(known, stream):
        grow(known, f"{CHATTER}{LAST}\n")
        old = known.local_log
        known.launch.number = 2
        grow(known, f"{CHATTER}{LAST}")
    notes = re.findall(r"^\.\.\. (\d+) bytes not shown: (.*)$", stream.getvalue(), re.MULTILINE)
    assert [where for _, where in notes] == [old, f"rpd logs {known.run_id}"]
    assert stream.getvalue().endswith(f"\n  | 399999\n  | {LAST}\n")
    assert stream.getvalue().count(f"  | 399999\n  | {LAST}\n") == 2
    shown = len(job_lines(stream))
    assert shown + sum(int(count) for count, _ in notes) == 2 * len(f"{CHATTER}{LAST}\n")


class StuckReader(io.StringIO):
    """A pipe that is full until somebody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.is_read = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        """Waits for the reader."""
        self.is_asked.set()
        assert self.is_read.wait(10)
        return super().write(text)


def test_the_run_does_not_wait_for_a_reader_that_stands_still(tmp_path: Path) -> None:
    known, stream = facts(tmp_path), StuckReader()
    with PlainView(known, stream) as view:
        view.recorded(record(1, Requested("interrupt", "Ctrl-C")))
        assert stream.is_asked.wait(10)
        view.recorded(record(2, Requested("terminate", "TERM")))
        stream.is_read.set()
    assert len(stream.getvalue().splitlines()) == 2


def test_the_sign_of_life_shows_the_present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be recorded for hours while a job trains."""
    monkeypatch.setattr(plain, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(plain, "LOG_LOOK_SECONDS", 0.01)
    known, stream, said = facts(tmp_path), io.StringIO(), threading.Event()
    hour = 3600.0

    def later(at: Stamp) -> Stamp:
        said.set()
        return Stamp(at.wall + hour, at.up + hour, at.boot)

    monkeypatch.setattr(plain, "present", later)
    with PlainView(known, stream) as view:
        view.recorded(record(1, Requested("cancel", "me")))
        assert said.wait(10.0)
    beats = [line for line in stream.getvalue().splitlines() if "so far" in line]
    assert beats and all("1 h 00 m" in line for line in beats), stream.getvalue()
