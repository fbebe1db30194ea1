"""A second run of the very same job: never begun without a word."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpd.adapters.checking.beside import Others
from rpd.adapters.spec.jobfile import load_job
from rpd.adapters.terminal import asking, output
from rpd.engine.errors import UserError
from rpd.journal.store import Journal
from tests.adapters.cli.desk import Desk
from tests.fakes import past


@pytest.fixture
def alive(desk: Desk) -> Iterator[Journal]:
    with desk.open() as journal:
        past.ordered(journal)
        yield journal


def others(desk: Desk, *, is_wanted: bool = False) -> Others:
    loaded = load_job(desk.folder / "job.yaml", variables={}, home=desk.folder.parent / "user")
    return Others(loaded, desk.home, is_wanted=is_wanted)


def terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> list[str]:
    asked: list[str] = []
    stdin = types.SimpleNamespace(isatty=lambda: True, readline=lambda: typed)
    monkeypatch.setattr(asking, "sys", types.SimpleNamespace(stdin=stdin))
    monkeypatch.setattr(output, "prompt", asked.append)
    return asked


def test_off_a_terminal_it_is_said_once(desk: Desk, alive: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = types.SimpleNamespace(isatty=lambda: False)
    monkeypatch.setattr(asking, "sys", types.SimpleNamespace(stdin=stdin))
    second = others(desk)
    second.refuse_dead()
    assert second.are_new() and desk.notes == []
    second.mind()
    second.mind()
    (told,) = desk.notes
    assert alive.run_id in told and "state create" in told and "rents a second pod" in told and "--new" in told
    assert not second.are_new()


@pytest.mark.parametrize(("typed", "is_begun"), [("yes\n", True), ("y\n", True), ("\n", False), ("no\n", False)])
def test_on_a_terminal_it_is_asked(
    desk: Desk, alive: Journal, monkeypatch: pytest.MonkeyPatch, typed: str, is_begun: bool
) -> None:
    asked = terminal(monkeypatch, typed)
    second = others(desk)
    if is_begun:
        second.mind()
        assert not second.are_new()
    else:
        with pytest.raises(UserError, match="nothing was rented") as told:
            second.mind()
        assert (told.value.exit_code, told.value.hint) == (3, f"rpd logs -f {alive.run_id}   follows it")
    assert len(asked) == 1


def test_new_asks_nobody(desk: Desk, alive: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = terminal(monkeypatch, "no\n")
    second = others(desk, is_wanted=True)
    second.refuse_dead()
    second.mind()
    assert (asked, desk.notes, second.are_new()) == ([], [], False)


def test_one_that_began_meanwhile_is_met_before_the_journal_is_made(desk: Desk, tmp_path: Path) -> None:
    """Two commands at once: both have looked, and the slower one looks again."""
    with desk.open("first"):
        pass
    (desk.folder / "job.yaml").write_text(past.JOB)
    second = others(desk)
    second.mind()
    assert not second.are_new(), "another workflow"
    journal = desk.open()
    assert second.are_new()
    journal.close()
    with pytest.raises(UserError, match="is unfinished"):
        second.mind()
