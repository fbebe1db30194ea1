"""A fault of this program while something may bill: the pod goes back, and the journal says whose fault it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rpd.adapters import wiring
from rpd.adapters.driving import driving
from rpd.adapters.local.signals import LeaveNow
from rpd.adapters.terminal import output
from rpd.journal.records import Note
from rpd.journal.store import Journal
from rpd.states.ports.exits import Exit
from tests.adapters.cli.desk import Desk
from tests.journal.samples import Ticker, opened


class Owing:
    """What is told of the run: it owes something."""

    owes = True

    def recorded(self, record: Any) -> None:
        """Nothing to do."""


def test_who_gives_the_pod_back_is_told_what_broke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def drive(journal: Journal, access: Any, control: Any, *rest: Any, **more: Any) -> None:
        asked.append(control.take())

    monkeypatch.setattr(wiring, "drive", drive)
    with Journal.create(tmp_path / "j" / "r.jsonl", opened(), run_id="r", now=Ticker()) as journal:
        told: Any = Owing()
        access: Any = None
        code = driving._rescue(journal, access, told, tmp_path, KeyError("x"))
        note = journal.records[-1].body
    assert code == Exit.STILL_BILLING
    assert isinstance(note, Note) and note.topic == "internal_error" and "KeyError" in note.text
    assert asked[0].what == "release"
    assert asked[0].detail == {"how": "stop", "internal_error": True, "fault": "KeyError: 'x'"}


def test_a_press_when_the_loop_is_over_names_what_bills(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last words may just be on their way; "nothing was rented" would be none of them."""
    said: list[str] = []
    monkeypatch.setattr(output, "note", said.extend)
    journal, pod = desk.died()
    assert driving.left_late(journal, LeaveNow("left at once on request", 130)) == Exit.STILL_BILLING
    assert said[0] == "left at once on request"
    assert any(line.startswith("BILLING") and pod in line for line in said), said
    path, _ = desk.over(kept=False)
    assert driving.left_late(Path(path), LeaveNow("left at once on request", 130)) == 130
