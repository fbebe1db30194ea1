"""Journals of every ending that a run can have, and what is known of each: a change of the code must not change it.

`python -m tests.states.test_golden` writes the journals that are missing, from scripted lives. It writes over none:
what an earlier release has written has to go on meaning the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rpd.adapters.forensics.inspection import Inspection
from rpd.journal.reader import read
from rpd.journal.records import Record
from rpd.journal.replay import Snapshot, apply
from rpd.states.policy.manifest import manifest

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "endings"
JOURNALS = sorted(FOLDER.glob("*.jsonl"))
WORDS = frozenset({"why", "next", "released_by", "reason_text", "doubts", "journal"})
"""What people read may be said better; programs read the rest."""
ALSO = (
    *("recycled", "a paused pod is taken up", "preserved", "secrets on the disk", "two pods of one create"),
    *("launched again in a fresh pod", "checkpoints", "a CPU job, recycled", "pod stopped in launch", "detached"),
    *("on a network volume", "container made anew in stage", "the budget ends a wait for the background"),
)
"""Other ways than the shortest to an ending."""


def known(path: Path) -> dict[str, Any]:
    """What programs can read of the run, at its end, and which debts were open after each record."""
    reading = read(path)
    assert reading.verified and not reading.too_new and reading.records
    inspection = Inspection(reading, reading.records[-1].at)
    found = {
        "inspect": _without_words(inspection.document()),
        "manifest": _without_words(manifest(inspection.facts, inspection.now)),
        "debts": list(_debts(reading.records)),
    }
    text: dict[str, Any] = json.loads(msgspec.json.encode(found))
    return text


def _debts(records: Iterable[Record]) -> Iterator[list[str]]:
    """After each record."""
    snapshot = Snapshot()
    for record in records:
        snapshot = apply(snapshot, record)
        yield sorted(f"{kind} {key}" for key, kind in snapshot.debts)


def _without_words(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in WORDS}


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_journal_goes_on_meaning_the_same(path: Path) -> None:
    assert known(path) == json.loads(path.with_suffix(".json").read_text())


def test_every_ending_has_its_journal() -> None:
    from tests.simulation.lives import LIVES

    ends = {(life.outcome, life.reason, life.exit_code) for life in LIVES.values()}
    kept = {(row["outcome"], row["reason"], row["exit_code"]) for row in map(_closed, JOURNALS)}
    assert ends <= kept


def _closed(path: Path) -> dict[str, Any]:
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    found: dict[str, Any] = next(row["data"] for row in reversed(rows) if row["event"] == "closed")
    return found


def _write() -> None:
    """The journals that are missing: the shortest life of each ending, and those of `ALSO`."""
    from tests.fakes.lines import life as rows_of
    from tests.fakes.lines import sealed
    from tests.simulation.lives import LIVES

    FOLDER.mkdir(exist_ok=True)
    shortest: dict[tuple[str, str, int], str] = {}
    for name, life in LIVES.items():
        end = (life.outcome, life.reason, life.exit_code)
        if end not in shortest or len(rows_of(name)) < len(rows_of(shortest[end])):
            shortest[end] = name
    for name in (*shortest.values(), *ALSO):
        path = FOLDER / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.jsonl"
        if not path.exists():
            path.write_bytes(sealed(rows_of(name)))
            path.with_suffix(".json").write_text(json.dumps(known(path), indent=1, sort_keys=True) + "\n")
            print(path.name)


if __name__ == "__main__":
    _write()
