"""What records mean, and journals of earlier releases that must go on meaning the same.

`python tests/journal/test_replay.py NAME` prints what a golden journal replays to; no option writes one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rpd.journal.reader import holds, read
from rpd.journal.records import Body, DebtChange, Intent, Left, Note, Outcome, Resumed, Transition
from rpd.journal.replay import Snapshot, apply, fold

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "golden").glob("*.jsonl"))


def plain(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as JSON can say it."""
    fields = {name: getattr(snapshot, name) for name in snapshot.__struct_fields__}
    fields["debts"] = {f"{key} {kind}": debt for (key, kind), debt in snapshot.debts.items()}
    text: dict[str, Any] = json.loads(msgspec.json.encode(fields))
    return text


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_old_journals_mean_what_they_meant(path: Path) -> None:
    reading = read(path)
    assert reading.verified
    assert not reading.too_new
    assert plain(fold(reading.records)) == json.loads(path.with_suffix(".snapshot.json").read_text())


def test_there_are_golden_journals() -> None:
    assert len(GOLDEN) >= 2


def replayed(*bodies: Body) -> Snapshot:
    from tests.journal.samples import lines, opened

    return fold(lines([opened(), *bodies])[0])


def test_nothing_is_known_before_the_first_record() -> None:
    assert fold([]) == Snapshot()
    assert replayed().state is None


def test_folding_step_by_step_changes_no_earlier_snapshot() -> None:
    from tests.journal.samples import life, lines, opened

    records, _ = lines([opened(), *life(2)])
    snapshots = [Snapshot()]
    frozen = [plain(snapshots[0])]
    for record in records:
        snapshots.append(apply(snapshots[-1], record))
        frozen.append(plain(snapshots[-1]))
    assert [plain(snapshot) for snapshot in snapshots] == frozen
    assert snapshots[-1] == fold(records)
    assert snapshots[-1].head == (records[-1].seq, records[-1].z)


def test_only_a_settled_answer_ends_an_unknown_outcome() -> None:
    intent = Intent("1", "create_pod", "create", {"n": 1})
    unknown = Outcome("1", "create_pod", "unknown")
    assert list(replayed(intent).open_intents) == ["1"]
    after = replayed(intent, unknown, unknown).open_intents["1"]
    assert (after.intent, after.unknown, after.seq) == (intent, 2, 1)
    assert replayed(intent, unknown, Outcome("1", "create_pod", "unknown", settled=True)).open_intents == {}
    assert replayed(intent, Outcome("1", "create_pod", "failed")).open_intents == {}
    assert replayed(Outcome("never", "x", "ok")).open_intents == {}


def test_debts_keep_the_time_they_began() -> None:
    compute = DebtChange("p", "compute", "open", usd_per_hour=0.5)
    dearer = DebtChange("p", "compute", "open", usd_per_hour=0.7)
    storage = DebtChange("p", "storage", "open")
    paid = DebtChange("p", "compute", "close", proof="gone")
    snapshot = replayed(
        Intent("1", "create", "s", debts=(compute,)), Outcome("1", "create", "ok", debts=(dearer,)),
        Transition("t", "a", "b", debts=(storage,)),
    )  # fmt: skip
    debt = snapshot.debts["p", "compute"]
    assert (debt.change, debt.seq) == (dearer, 1)
    assert list(snapshot.debts) == [("p", "compute"), ("p", "storage")]
    closed = replayed(Intent("1", "c", "s", debts=(compute, storage)), Outcome("1", "c", "ok", debts=(paid, paid)))
    assert list(closed.debts) == [("p", "storage")]


def test_who_left_is_forgotten_when_somebody_takes_over() -> None:
    left = Left("detached", 75)
    assert replayed(left, Note("n")).left == left
    assert replayed(left, Resumed("resume", "h", 1, "u", "0")).left is None


def test_an_anchor_holds_or_not() -> None:
    from tests.journal.samples import life, lines, opened

    records, _ = lines([opened(), *life()])
    assert holds(records, 3, records[3].z)
    assert not holds(records, 3, records[4].z)
    assert not holds(records[:3], 3, records[3].z)
    assert not holds(records, -1, records[-1].z)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(json.dumps(plain(fold(read(Path(name)).records)), indent=2))
