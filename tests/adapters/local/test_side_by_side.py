"""Work side by side: one that is slow holds up nothing, and one word ends all of it."""

from __future__ import annotations

import threading

import pytest

from rpd.adapters.local import side_by_side as module
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.side_by_side import MOST, Work, side_by_side
from rpd.engine.ports import Request


def works(*deeds: object) -> list[Work]:
    return [Work(deed, Patience()) for deed in deeds]  # type: ignore[arg-type]


def test_one_that_waits_holds_up_nothing() -> None:
    is_done = threading.Event()
    seen: list[bool] = []
    side_by_side(works(lambda: seen.append(is_done.wait(10.0)), is_done.set), Patience())
    assert seen == [True]


def test_all_of_many_are_done() -> None:
    done: list[int] = []
    side_by_side(works(*(lambda at=at: done.append(at) for at in range(3 * MOST))), Patience())  # type: ignore[misc]
    assert sorted(done) == list(range(3 * MOST))


def test_a_fault_of_one_is_told_when_the_others_are_done() -> None:
    done: list[int] = []

    def break_down() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        side_by_side(works(break_down, lambda: done.append(1)), Patience())
    assert done == [1]


def test_one_word_ends_all_and_nothing_is_begun_any_more() -> None:
    command, begun = Patience(), []
    waiting = [Work(lambda: None, Patience()) for _ in range(MOST)]
    patiences = [Patience() for _ in range(MOST)]

    def wait(patience: Patience) -> None:
        begun.append(patience)
        command.leave_on(Request("interrupt", "SIGINT"))
        while patience.leaving is None:
            threading.Event().wait(0.005)

    side_by_side([Work(lambda each=each: wait(each), each) for each in patiences] + waiting, command)  # type: ignore[misc]
    assert all(each.leaving is command.leaving for each in begun)
    assert not [each for each in threading.enumerate() if "take_turns" in each.name]


def test_one_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.05)
    command, end = Patience(), threading.Event()
    came: list[bool] = []

    def hang() -> None:
        command.leave_on(Request("terminate", "SIGTERM"))
        came.append(end.wait(20.0))

    side_by_side(works(hang), command)
    assert command.leaving is not None and came == [], "it hangs still, and the command goes"
    end.set()
