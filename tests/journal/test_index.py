"""The index is a cache: right after every change, gone without loss, safe with many writers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rpd.journal.index import Index, summary
from rpd.journal.reader import NAME_PATTERN, salvage
from rpd.journal.records import Note
from rpd.journal.store import Journal
from tests.journal.samples import POD, RUN, Ticker, create, life, opened, reopen


def another(home: Path, run: str, workflow: str, wall: float) -> Path:
    path = home / "journals" / workflow / f"{run}.jsonl"
    body = opened(workflow=workflow)
    with Journal.create(path, body, run_id=run, now=Ticker(wall), ballast_bytes=0) as journal:
        return journal.path


def test_an_entry_says_what_the_journal_says(tmp_path: Path) -> None:
    index = Index(tmp_path)
    with create(tmp_path) as journal:
        for body in life()[:7]:
            journal.append(body)
        (entry,) = index.entries()
        assert (entry.run_id, entry.workflow, entry.state, entry.outcome) == (RUN, "foo", "monitor", None)
        assert [(debt.key, debt.usd_per_hour) for debt in entry.debts] == [(POD, 0.49)]
        assert entry.head == journal.head
        assert entry.cloud["profile"] == "runpod"
        assert entry.is_open
        for body in life()[7:]:
            journal.append(body)
    (entry,) = index.entries()
    assert (entry.state, entry.outcome, entry.exit_code, entry.debts) == ("done", "succeeded", 0, ())
    assert not entry.is_open
    assert entry.updated > entry.started
    assert Path(entry.journal) == journal.path


def test_a_run_counts_once_by_whatever_path_its_home_is_reached(tmp_path: Path) -> None:
    home, link = tmp_path / "home", tmp_path / "link"
    link.symlink_to(home)
    path = another(home, "a-1", "a", 1e9)
    Index(link).refresh(path)
    assert [entry.problem for entry in Index(link).entries()] == [""]
    assert [entry.problem for entry in Index(home).entries()] == [""]


def test_the_cache_is_used_and_can_be_lost(tmp_path: Path) -> None:
    path = another(tmp_path, "a-1", "a", 1e9)
    index = Index(tmp_path)
    (before,) = index.entries()
    file = tmp_path / "index" / "a-1.json"
    file.write_text(file.read_text().replace('"workflow":"a"', '"workflow":"cached"'))
    assert index.entries()[0].workflow == "cached"
    file.unlink()
    assert index.entries() == [before], "the index is made again from the journals alone"
    file.write_text("{ damaged")
    assert index.entries() == [before]
    reopen(path).close()
    assert index.entries()[0].epoch == 2


def test_a_flipped_bit_costs_no_more_than_a_look_into_the_journal(tmp_path: Path) -> None:
    another(tmp_path, "a-1", "a", 1e9)
    index = Index(tmp_path)
    before = index.entries()
    file = tmp_path / "index" / "a-1.json"
    content = file.read_bytes()
    for at in range(0, len(content), 7):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0x80]) + content[at + 1 :])
        assert index.entries() == before
        assert index.anchor(Path(before[0].journal)) is not None


def test_runs_are_found_by_id_prefix_and_workflow(tmp_path: Path) -> None:
    another(tmp_path, "a-1", "a", 1e9)
    another(tmp_path, "a-10", "a", 2e9)
    another(tmp_path, "b-1", "b", 1.5e9)
    index = Index(tmp_path)
    assert [entry.run_id for entry in index.entries()] == ["a-10", "b-1", "a-1"]
    assert [entry.run_id for entry in index.find("a-1")] == ["a-1"]
    assert [entry.run_id for entry in index.find("a-")] == ["a-10", "a-1"]
    assert [entry.run_id for entry in index.find("b")] == ["b-1"]
    assert index.find("nothing") == []
    assert index.find("") == []


def test_a_journal_in_trouble_is_listed_with_what_it_still_says(tmp_path: Path) -> None:
    with create(tmp_path) as journal:
        for body in life():
            journal.append(body)
    whole = journal.path.read_bytes()
    index = Index(tmp_path)
    for cut, problem in ((whole.index(b"create_pod_unknown"), "damaged"), (5, "damaged")):
        journal.path.write_bytes(whole[:cut] + b"#" + whole[cut + 1 :])
        (entry,) = index.entries()
        assert entry.problem == problem
        assert entry.run_id == RUN
    assert salvage(journal.path) == {POD}
    journal.path.write_bytes(whole)
    index.entries()
    journal.path.unlink()
    (entry,) = index.entries()
    assert entry.problem == "missing"
    index.forget(RUN)
    assert index.entries() == []


def test_a_home_that_cannot_keep_a_cache_still_lists(tmp_path: Path) -> None:
    path = another(tmp_path, "a-1", "a", 1e9)
    (tmp_path / "index").write_text("in the way")
    assert [entry.run_id for entry in Index(tmp_path).entries()] == ["a-1"]
    assert summary(path.with_name("gone.jsonl")).problem == "unreadable"


def test_many_writers_and_readers_at_once(tmp_path: Path) -> None:
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            index = Index(tmp_path)
            path = another(tmp_path, f"w-{number}", "w", 1e9 + number)
            for _ in range(5):
                with reopen(path) as journal:
                    journal.append(Note("n"))
                index.refresh(path)
                assert all(not entry.problem for entry in index.entries())
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert [entry.epoch for entry in Index(tmp_path).entries()] == [6] * 6
    assert not list((tmp_path / "index").glob("*.tmp"))


@pytest.mark.parametrize("wreck", [b"\0" * 50, b"\xff\xfe", b"rpd-half"])
def test_salvage_finds_names_in_any_wreck(tmp_path: Path, wreck: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(wreck + b"{" + POD.encode() + b'",' + wreck)
    (tmp_path / "x.jsonl.torn-3-1").write_bytes(b"rpd-other-abc-a12")
    assert salvage(path) == {POD, "rpd-other-abc-a12"}
    assert salvage(path, "nothing") == set()
    assert NAME_PATTERN.startswith("rpd-")


@pytest.mark.parametrize("end", ["torn-3-1", "foreign-1"])
def test_salvage_looks_into_what_was_set_aside(tmp_path: Path, end: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"ruins")
    path.with_name(f"x.jsonl.{end}").write_bytes(b'half "rpd-foo-abc-a1" a line')
    assert salvage(path) == {"rpd-foo-abc-a1"}


def test_ruins_keep_what_was_known_of_them(tmp_path: Path) -> None:
    """What it owed, and how it had ended, was seen while the journal was whole."""
    owes = life()[:4]
    with create(tmp_path) as journal:
        for body in owes:
            journal.append(body)
    index = Index(tmp_path)
    index.entries()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(b"#" + whole[1:])
    (entry,) = index.entries()
    assert (entry.problem, [debt.key for debt in entry.debts], entry.outcome) == ("damaged", [POD], None)
    journal.path.write_bytes(whole)
    with reopen(journal.path) as journal:
        for body in life()[4:]:
            journal.append(body)
    index.entries()
    journal.path.write_bytes(b"#" + journal.path.read_bytes()[1:])
    (entry,) = index.entries()
    assert (entry.problem, entry.debts, entry.outcome) == ("damaged", (), "succeeded")
