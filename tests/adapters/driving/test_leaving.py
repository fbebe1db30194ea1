"""Ctrl-C in a session on a terminal: what is asked, what each choice costs, and what no answer means."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from pathlib import Path

import pytest

from rpd.adapters.driving import leaving
from rpd.adapters.driving.leaving import SessionControl, choices_of
from rpd.engine.ports import Request
from rpd.states.facts import Facts
from rpd.states.ports.names import State
from rpd.states.ports.world import Armed
from tests.fakes.facts import facts_in, stamp

CTRL_C = Request("interrupt", "SIGINT", {"terminal": True})


def attended(state: State = State.ATTEND) -> Facts:
    facts = facts_in(state, budget={"cost_cap_usd": 100.0, "max_runtime_minutes": 60})
    pod = facts.pod
    assert pod is not None
    pod.holds = "person"
    pod.container.armed, pod.container.armed_start = Armed(1, 1e12, "ok", True), pod.starts
    return facts


def control_of(facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> SessionControl:
    control = SessionControl(tmp_path / "j.jsonl", epoch=1, patience=None, read=lambda: facts)
    left = list(answers)
    monkeypatch.setattr(leaving, "_typed", lambda seconds: left.pop(0))
    return control


def asked(control: SessionControl, request: Request = CTRL_C) -> Request | None:
    control.ask(request)
    return control.take()


@pytest.mark.parametrize(("typed", "how"), [("s", "stop"), ("stop", "stop"), ("D", "delete"), ("k", "preserve")])
def test_a_choice_becomes_a_request(typed: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(control_of(attended(), tmp_path, monkeypatch, "what?", typed))
    assert found is not None and (found.what, found.detail["how"]) == ("leave", how)
    assert ("until" in found.detail) is (how == "preserve")


def test_without_an_answer_the_pod_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(control_of(attended(), tmp_path, monkeypatch, None))
    assert found == Request("leave", "no answer", {})


def test_enter_goes_on_and_the_next_press_asks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = control_of(attended(), tmp_path, monkeypatch, "")
    assert asked(control) is None
    assert (control.is_answered(), control.is_answered()) == (True, False)


@pytest.mark.parametrize("state", [State.BOOT, State.TUNNEL, State.RELEASE])
def test_nothing_is_asked_before_somebody_is_connected(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(control_of(attended(state), tmp_path, monkeypatch)) == CTRL_C


@pytest.mark.parametrize(
    "request_", [Request("interrupt", "SIGINT", {"terminal": False}), Request("terminate", "TERM")]
)
def test_nothing_is_asked_off_a_terminal(request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(control_of(attended(), tmp_path, monkeypatch), request_) == request_


def test_a_pod_without_a_switch_cannot_be_kept() -> None:
    facts, now = attended(), stamp(600.0)
    assert [*choices_of(facts, now, now.wall + 600.0)] == ["s", "d", "k"]
    facts.container.armed = None
    assert [*choices_of(facts, now, now.wall + 600.0)] == ["s", "d"]


def test_each_choice_says_what_it_costs() -> None:
    facts, now = attended(), stamp(600.0)
    assert all("$" in words for words in choices_of(facts, now, now.wall + 600.0).values())


@pytest.mark.parametrize("typed", ["detach", "don't", "kill", "sleep", "delete everything"])
def test_a_word_that_only_begins_like_an_answer_is_none(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(control_of(attended(), tmp_path, monkeypatch, typed, None)) == Request("leave", "no answer", {})


def test_what_was_typed_before_the_question_does_not_answer_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "rb", buffering=0) as terminal, os.fdopen(ours, "wb", buffering=0) as person:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(leaving, "ANSWER_SECONDS", 0.2)
        person.write(b"d\n")
        assert select.select([terminal], [], [], 10.0)[0], "it can be read"
        control = SessionControl(tmp_path / "j.jsonl", epoch=1, patience=None, read=attended)
        assert asked(control) == Request("leave", "no answer", {})


def test_answers_that_are_none_win_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who leans on the keyboard is not somebody who goes on: the pod bills meanwhile."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "rb", buffering=0) as terminal, os.fdopen(ours, "wb", buffering=0) as person:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(leaving, "ANSWER_SECONDS", 0.5)
        control = SessionControl(tmp_path / "j.jsonl", epoch=1, patience=None, read=attended)
        is_over = threading.Event()

        def lean() -> None:
            while not is_over.wait(0.05):
                person.write(b"x\n")

        leaning = threading.Thread(target=lean, daemon=True)
        leaning.start()
        stopped = threading.Timer(5.0, is_over.set)  # an endless question ends at last, and too late
        stopped.start()
        began = time.monotonic()
        assert asked(control) == Request("leave", "no answer", {})
        took = time.monotonic() - began
        is_over.set()
        stopped.cancel()
        leaning.join()
        assert 0.4 < took < 4.0
