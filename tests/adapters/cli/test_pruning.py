"""`rpd runs` by what one looks for, and `rpd runs prune`: what is forgotten, and what never is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.cleanup import pruning
from rpd.adapters.cli.acting import prune as command
from rpd.adapters.cli.acting.prune import prune
from rpd.adapters.forensics import chosen as choice
from rpd.adapters.forensics.chosen import Chosen
from rpd.engine.errors import UserError
from rpd.journal.index import Index
from rpd.journal.lock import lock_path
from rpd.journal.paths import emergency_path
from tests.adapters.cli.desk import FIRST, Desk
from tests.fakes import past
from tests.fakes.clock import START_WALL
from tests.fakes.typed import KEY, Done, type_in

EVERYTHING = Chosen(before=9e12)


class Calendar:
    """The moment at which somebody types: long after what happened, unless a test says otherwise."""

    def __init__(self) -> None:
        self.now = START_WALL + 3 * 365 * 86400.0

    def time(self) -> float:
        return self.now

    def gmtime(self) -> time.struct_time:
        return time.gmtime(self.now)

    def strftime(self, form: str, at: time.struct_time) -> str:
        return time.strftime(form, at)


@pytest.fixture(autouse=True)
def calendar(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Calendar:
    calendar = Calendar()
    for module in (pruning, command, choice):
        monkeypatch.setattr(module, "time", calendar)
    return calendar


def pruned(desk: Desk, *, act: bool = True, chosen: Chosen = EVERYTHING) -> dict[str, Any]:
    assert prune(chosen, act=act, as_json=True) == 0
    return desk.told.pop()


def over(desk: Desk) -> Path:
    return desk.over()[0]


def owing(desk: Desk) -> Path:
    return desk.died()[0]


def keeping(desk: Desk) -> Path:
    return desk.over(kept=True)[0]


def damaged(desk: Desk) -> Path:
    journal, _ = desk.over()
    Index(desk.home).entries()
    desk.damage(journal)
    return journal


def in_an_emergency(desk: Desk) -> Path:
    journal, _ = desk.over()
    emergency_path(desk.home, journal.stem).write_text("")
    return journal


def just_begun(desk: Desk) -> Path:
    with desk.open() as journal:
        return journal.path


NEVER: list[Callable[[Desk], Path]] = [owing, keeping, damaged, in_an_emergency, just_begun]


@pytest.mark.parametrize("made", NEVER)
def test_what_may_owe_is_never_forgotten(desk: Desk, made: Callable[[Desk], Path]) -> None:
    journal = made(desk)
    before = journal.read_bytes()
    done = pruned(desk)
    assert (done["runs"], sum(done["kept"].values())) == ([], 1)
    assert journal.read_bytes() == before


def test_one_that_is_over_and_owes_nothing_is_forgotten_and_its_folder_stays(desk: Desk) -> None:
    journal, other = over(desk), owing(desk)
    folder = desk.folder / "artifacts" / journal.stem
    folder.mkdir(parents=True)
    (folder / "events.jsonl").hardlink_to(journal)
    assert pruned(desk, act=False)["runs"][0]["is_gone"] is False
    assert journal.exists()
    assert [run["run_id"] for run in pruned(desk)["runs"]] == [journal.stem]
    assert not journal.exists() and not lock_path(journal).exists()
    assert [entry.run_id for entry in Index(desk.home).entries()] == [other.stem], "nor is it missed"
    assert (folder / "events.jsonl").read_bytes()


def test_one_that_is_driven_is_not_forgotten(desk: Desk) -> None:
    journal = over(desk)
    with desk.reopened(journal):
        assert pruned(desk)["runs"][0]["is_gone"] is False
    assert journal.exists()


def test_one_whose_pod_another_run_has_is_not_forgotten(desk: Desk) -> None:
    journal = over(desk)
    with desk.open("heir") as heir:
        heir.append(past.debt_of(past.pod_name_in(journal)))
    assert pruned(desk)["kept"] == {"unfinished": 1, "whose pod another run has taken over": 1}
    assert journal.exists()


def test_what_is_young_stays_whatever_is_asked_for(desk: Desk, calendar: Calendar) -> None:
    journal = over(desk)
    calendar.now = START_WALL + 29 * 86400.0
    assert pruned(desk, chosen=Chosen()) == {"schema": "rpd.prune/1", "acted": True, "runs": [], "kept": {}}
    calendar.now = START_WALL + 16 * 3600.0 + 60.0  # the day after
    assert pruned(desk, act=False)["runs"]
    calendar.now = START_WALL + 7200.0
    assert "of today" in str(pruned(desk)["kept"])
    assert journal.exists()
    calendar.now = START_WALL + 31 * 86400.0
    assert len(pruned(desk, chosen=Chosen())["runs"]) == 1


def test_one_that_has_just_ended_stays(desk: Desk, calendar: Calendar) -> None:
    journal = over(desk)
    desk.clock.advance(16 * 3600.0)
    with desk.reopened(journal):
        pass
    calendar.now = START_WALL + 16 * 3600.0 + 60.0
    assert "less than an hour ago" in str(pruned(desk)["kept"])


# Which are listed.


@pytest.mark.parametrize(
    ("chosen", "held"),
    [
        (Chosen(), [True, True]),
        (Chosen(workflow="train"), [True, False]),
        (Chosen(outcomes=("failed",)), [True, False]),
        (Chosen(outcomes=("unfinished", "lost")), [False, True]),
        (Chosen(since=50.0), [True, False]),
        (Chosen(before=150.0), [True, False]),
        (Chosen(since=150.0), [False, False]),
    ],
)
def test_runs_are_chosen_by_what_is_known_of_them(chosen: Chosen, held: list[bool]) -> None:
    runs = [("train", "failed", "1970-01-01T00:01:40Z"), ("bench", None, None)]
    assert [chosen.holds(*run) for run in runs] == held


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(UserError, match="'good' is not known") as told:
        Chosen.from_options(workflow=None, outcomes=["good"], since=None, older_than=None)
    assert "succeeded" in told.value.hint and "unfinished" in told.value.hint


def typed(desk: Desk, *words: str) -> Done:
    environ = {"RPD_HOME": str(desk.home), "HOME": str(desk.folder.parent / "user")}
    return type_in(desk.folder, list(words), {**environ, "RPD_API_URL": FIRST, "RUNPOD_API_KEY": KEY})


def test_the_words_of_it(desk: Desk) -> None:
    failed, _ = desk.over()
    open_one, _ = desk.died("bench")

    def listed(*words: str) -> list[str]:
        assert typed(desk, "runs", *words, "--json").code == 0
        return [run["run_id"] for run in desk.told.pop()["runs"]]

    assert listed() == [open_one.stem, failed.stem]
    assert listed("--outcome", "refused") == listed("--workflow", "job") == [failed.stem]
    assert listed("--outcome", "unfinished") == [open_one.stem]
    assert listed("--since", "1h") == listed("--older-than", "3650d") == []
    assert listed("prune", "--older-than", "0s") == [failed.stem] and failed.exists()
    assert typed(desk, "runs", "--yes").code == typed(desk, "runs", "purge").code == 2
    assert listed("prune", "--older-than", "0s", "--yes") == [failed.stem] and not failed.exists()
