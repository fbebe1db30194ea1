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
from rpd.adapters.report.story import sentences_of
from rpd.journal.reader import read
from rpd.journal.records import Record
from rpd.journal.replay import Snapshot, apply
from rpd.states.policy.manifest import manifest
from tests.fakes.lines import life, sealed
from tests.simulation.lives import LIVES

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "endings"
JOURNALS = sorted(FOLDER.glob("*.jsonl"))
WORDS = frozenset({"why", "next", "released_by", "reason_text", "doubts", "journal"})
"""What people read may be said better; programs read the rest."""
ALSO = (
    *("recycled", "a paused pod is taken up", "preserved", "secrets on the disk", "two pods of one create"),
    *("launched again in a fresh pod", "checkpoints", "a CPU job, recycled", "pod stopped in launch", "detached"),
    *("on a network volume", "container made anew in stage", "the budget ends a wait for the background"),
    *("session: left, stopped, and come back to", "session: left, kept, and come back to", "session: out of time"),
    *("session: stopped, then renounced", "session: the container is made anew"),
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
    ends = {(each.outcome, each.reason, each.exit_code) for each in LIVES.values()}
    kept = {(row["outcome"], row["reason"], row["exit_code"]) for row in map(_closed, JOURNALS)}
    assert ends <= kept


@pytest.mark.parametrize("name", LIVES)
def test_every_record_that_is_written_today_is_told_with_sense(name: str, tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(sealed(life(name)))
    told = [*sentences_of(read(path)).values()]
    assert len(told) > 1 and [line for line in told if "makes no sense" in line] == []


def test_records_have_what_they_had() -> None:
    """Each operation writes the arguments and the answers that it has written before."""
    before = {key: names for path in JOURNALS for key, names in _fields(path.read_bytes().splitlines())}
    today = {key: names for name in (*LIVES,) for key, names in _fields(sealed(life(name)).splitlines())}
    assert before.keys() <= today.keys() | {("outcome", "read_system_log")}
    lost = {key: names - today[key] for key, names in before.items() if key in today and names - today[key]}
    assert lost == {}


def _fields(lines: Iterable[bytes]) -> Iterator[tuple[tuple[str, str], frozenset[str]]]:
    """By kind and operation: names that every record of it has in its arguments or data."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for line in lines:
        row = json.loads(line)
        data = row["data"]
        if row["kind"] == "intent" or (row["kind"] == "outcome" and data["status"] == "ok"):
            names = frozenset(data.get("args" if row["kind"] == "intent" else "data", {}))
            key = row["kind"], data["op"]
            found[key] = found.get(key, names) & names
    yield from found.items()


def _closed(path: Path) -> dict[str, Any]:
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    found: dict[str, Any] = next(row["data"] for row in reversed(rows) if row["event"] == "closed")
    return found


def _write() -> None:
    """The journals that are missing: the shortest life of each ending, and those of `ALSO`."""
    FOLDER.mkdir(exist_ok=True)
    shortest: dict[tuple[str, str, int], str] = {}
    for name, scripted in LIVES.items():
        end = (scripted.outcome, scripted.reason, scripted.exit_code)
        if end not in shortest or len(life(name)) < len(life(shortest[end])):
            shortest[end] = name
    for name in (*shortest.values(), *ALSO):
        path = FOLDER / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.jsonl"
        if not path.exists():
            path.write_bytes(sealed(life(name)))
            path.with_suffix(".json").write_text(json.dumps(known(path), indent=1, sort_keys=True) + "\n")
            print(path.name)


if __name__ == "__main__":
    _write()
