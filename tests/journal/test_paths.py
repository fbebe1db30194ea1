"""Every name of a run leads to its one journal."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from rpd.journal.errors import JournalMissing, JournalNotOurs
from rpd.journal.paths import canonical, emergency_path, folder_name, journal_path, journals, original
from tests.journal.samples import RUN, Ticker, create, reopen


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    with create(tmp_path / "home") as made:
        return made.path


def test_layout(tmp_path: Path) -> None:
    assert journal_path(tmp_path, "foo", "r-1") == tmp_path / "journals" / "foo" / "r-1.jsonl"
    assert emergency_path(tmp_path, "r-1") == tmp_path / "emergency-r-1.jsonl"
    assert journals(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("foo", "foo"),
        ("a/../b c", "a-..-b-c"),
        ("..", "unnamed"),
        ("", "unnamed"),
        (".x", "x"),
        ("é", "-"),
        ("x" * 300, "x" * 80),
    ],
)
def test_any_workflow_name_is_one_plain_folder(name: str, folder: str) -> None:
    assert folder_name(name) == folder


@pytest.mark.parametrize("copy", [os.link, shutil.copyfile, os.symlink], ids=["hard link", "copy", "symlink"])
def test_the_run_folder_leads_to_the_journal(tmp_path: Path, journal: Path, copy: object) -> None:
    run = tmp_path / "run"
    run.mkdir()
    copy(journal, run / "events.jsonl")  # type: ignore[operator]
    (tmp_path / "latest").symlink_to(run)
    for name in (run, run / "events.jsonl", tmp_path / "latest", tmp_path / "latest" / "events.jsonl", journal):
        assert canonical(name) == journal


def test_a_pointer_leads_to_the_journal(tmp_path: Path, journal: Path) -> None:
    pointer = tmp_path / "state.json"
    for target in (journal, os.path.relpath(journal, tmp_path)):
        pointer.write_text(json.dumps({"journal": str(target), "pod_id": "p1"}, indent=2))
        assert canonical(pointer) == journal
    (tmp_path / "second.json").write_text(json.dumps({"journal": "state.json"}))
    assert canonical(tmp_path / "second.json") == journal
    pointer.write_text(json.dumps({"journal": "state.json"}))
    with pytest.raises(JournalNotOurs, match="pointer"):
        canonical(pointer)


def test_a_name_relative_to_here(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(journal.parent)
    assert canonical(Path(journal.name)) == journal


def test_without_its_canonical_name_a_journal_is_what_it_is(tmp_path: Path, journal: Path) -> None:
    link = tmp_path / "events.jsonl"
    os.link(journal, link)
    journal.unlink()
    assert canonical(link) == link
    with create(tmp_path / "home", now=Ticker(2e9)):  # another journal took the place
        assert canonical(link) == link
    reopen(link).close()
    with pytest.raises(JournalMissing):
        canonical(journal.with_name("gone.jsonl"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(JournalMissing):
        canonical(tmp_path / "empty")


def test_a_journal_moved_with_its_state_home_is_found_there(tmp_path: Path, journal: Path) -> None:
    (tmp_path / "home").rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "journals" / "foo" / f"{RUN}.jsonl"
    assert canonical(moved) == moved


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"not json",
        b'{"a":1}',
        b'{"journal":5}',
        b'{"journal":""}',
        b'{"journal":"a\\u0000b"}',
        b"[" * 10_000,
    ],
)
def test_what_leads_nowhere_is_itself(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    assert canonical(path) == path


def test_a_copy_has_an_original_as_long_as_that_one_is_there(tmp_path: Path, journal: Path) -> None:
    assert original(journal) is None
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    copied = tmp_path / "copy" / "journals" / "foo" / f"{RUN}.jsonl"
    assert original(copied) == journal
    assert original(journal) is None
    (tmp_path / "link").symlink_to(tmp_path / "home")
    assert original(tmp_path / "link" / "journals" / "foo" / f"{RUN}.jsonl") is None
    second = tmp_path / "second.jsonl"
    second.hardlink_to(journal)
    assert original(second) is None
    journal.write_bytes(b"another run\n")
    assert original(copied) is None
    journal.unlink()
    assert original(copied) is None


def test_within_a_state_home_record_0_leads_nowhere_else(tmp_path: Path, journal: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    shutil.copyfile(journal, copy)
    assert canonical(copy, home=tmp_path / "home") == journal
    assert canonical(copy, home=tmp_path / "another") == copy
    assert canonical(copy) == journal
