"""What an error proves: only an effect that certainly did not happen has failed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rpd.engine import protocol
from rpd.engine.errors import (
    Ambiguous,
    EffectError,
    Interrupted,
    LimitReached,
    NotSent,
    Refused,
    RpdError,
    Unavailable,
    UserError,
)
from rpd.engine.operation import REPEATABLE, Call, Effect, Nothing, Reading, Result
from rpd.engine.rule import Group, Interrupt
from rpd.engine.runner import STEPS_WITHOUT_PAUSE_MAX
from rpd.journal.records import DebtChange, Intent, Observation, Outcome, Requested, Resumed, Stamp
from tests.engine.kettle import RULES, Kitchen, Room, S, Switch, T
from tests.fakes.clock import FakeClock

CALL = Call(Stamp(0.0, 0.0, "b"))
POUR = Intent("0001-pour", "pour", "cold", {"litres": 1})
NO_PROOF = [RpdError, EffectError, Ambiguous, Unavailable, Interrupted, LimitReached]
PROOF = [Refused, NotSent, UserError]


class Broken(Effect[Any, Any, Nothing], frozen=True):
    error: RpdError

    def perform(self, call: Call, world: Any) -> Result:
        raise self.error

    def probe(self, call: Call, world: Any) -> Result | None:
        raise self.error


class Blind(Reading[Any, Any, Nothing], frozen=True):
    error: RpdError

    def perform(self, world: Any) -> Result:
        raise self.error


@pytest.mark.parametrize("kind", NO_PROOF)
def test_an_effect_without_an_answer_is_unknown(kind: type[RpdError]) -> None:
    result = protocol.perform(Broken(kind("no", reason="so")), CALL, None)
    assert (result.status, result.reason, result.error) == ("unknown", "so", "no")
    assert result.retryable is kind.retryable


@pytest.mark.parametrize("kind", PROOF)
def test_an_effect_that_was_refused_or_never_sent_has_failed(kind: type[RpdError]) -> None:
    result = protocol.perform(Broken(kind("no", reason="so")), CALL, None)
    assert (result.status, result.reason, result.error) == ("failed", "so", "no")
    assert result.retryable is kind.retryable


@pytest.mark.parametrize("kind", [*NO_PROOF, *PROOF])
def test_a_probe_that_fails_cannot_tell(kind: type[RpdError]) -> None:
    assert protocol.probe(Broken(kind("no")), CALL, None) is None


def test_what_was_cut_off_is_done_again_where_that_does_no_harm() -> None:
    kitchen = Kitchen(FakeClock())
    result = protocol.probe(Switch(), CALL, kitchen)
    assert result is not None and (result.status, result.reason, result.retryable) == ("failed", REPEATABLE, True)
    assert kitchen.switched == 0


def test_a_look_that_was_cut_short_is_none_and_every_other_failure_is_something_seen() -> None:
    assert protocol.look(Blind(Interrupted("asked")), None) is None
    for kind in (Unavailable, Refused, Ambiguous, LimitReached):
        result = protocol.look(Blind(kind("no", reason="so")), None)
        assert result is not None and (result.status, result.reason) == ("failed", "so")
        assert result.retryable is kind.retryable


@pytest.mark.parametrize("kind", [Ambiguous, NotSent])
def test_the_journal_gets_only_the_plain_part_of_an_error(kind: type[RpdError]) -> None:
    error = kind("no", retry_after=7.0, detail={"a": 1, "b": "x", "c": object(), "d": True, "e": 0.5})
    assert protocol.perform(Broken(error), CALL, None).detail == {
        "a": 1, "b": "x", "d": True, "e": 0.5, "retry_after": 7.0,
    }  # fmt: skip
    assert protocol.perform(Broken(kind("no")), CALL, None).detail == {}


def test_an_error_says_what_its_maker_says() -> None:
    assert Unavailable("no", retryable=False).retryable is False and Refused("no", retryable=True).retryable is True
    assert (UserError("no").exit_code, UserError("no", exit_code=4).exit_code) == (2, 4)
    assert (RpdError("no").retryable, Refused("no").retryable, LimitReached("no").retryable) == (False, False, False)


# The loop.


def test_an_effect_may_have_been_asked_for_until_its_process_was_known_to_be_over() -> None:
    """A machine sleeps between an intent and its request: who waits for the effect to show counts from the end."""
    room = Room()
    intent = room.journal.append(POUR)
    assert room.next_process()._open["0001-pour"].at == intent.at
    room.clock.real = 100.0
    room.journal.append(Outcome("0001-pour", "pour", "unknown"))
    assert room.next_process()._open["0001-pour"].at == room.clock.now()
    room.clock.real = 200.0
    room.journal.append(Resumed("resume", "h", 1, "u", "0"))
    assert room.next_process()._open["0001-pour"].at == room.clock.now()
    room.journal.append(Outcome("0001-pour", "pour", "unknown", settled=True))
    assert room.next_process()._open == {}, "its probe has said so"


def test_a_debt_is_closed_by_its_kind_and_key_and_only_then_is_nothing_owed() -> None:
    room = Room()
    opened = DebtChange("water", "compute", "open")
    room.journal.append(msgspec.structs.replace(POUR, debts=(opened,)))
    assert room.next_process()._owed == {("water", "compute")}
    for key, kind, left in (("milk", "compute", 1), ("water", "storage", 1), ("water", "compute", 0)):
        room.journal.append(Outcome("0001-pour", "pour", "ok", debts=(DebtChange(key, kind, "close"),)))  # type: ignore[arg-type]
        assert len(room.next_process()._owed) == left


def test_no_two_operations_of_a_run_have_one_name() -> None:
    room = Room()
    room.kitchen.pour_ends = ["refused", "refused"]
    room.boil()
    opids = [record.body.opid for record in room.journal.records() if isinstance(record.body, Intent)]
    assert opids == ["0001-pour", "0002-pour", "0003-pour", "0004-switch"]


def test_a_request_is_taken_before_what_is_unclear_is_asked_again() -> None:
    room = Room("enough")
    room.journal.append(POUR)
    room.kitchen.can_see = False
    runner = room.next_process()
    runner.control.wait = lambda seconds: setattr(room.kitchen, "can_see", True)  # type: ignore[method-assign]
    runner.run()
    kinds = [type(record.body) for record in room.journal.records()]
    assert kinds[2] is Requested and kinds[3] is Outcome


def test_a_look_that_fails_twice_alike_is_written_down_once() -> None:
    room = Room()
    room.kitchen.heat[:0] = [Unavailable("steam", reason="steam") for _ in range(3)]
    room.boil()
    seen = [record.body.error for record in room.journal.records() if isinstance(record.body, Observation)]
    assert seen == ["steam", None, None, None]


def test_a_move_forgets_what_was_seen() -> None:
    """What a state sees first is written down, though another state has seen the same."""
    room = Room()
    runner = room.next_process()
    runner._seen["feel"] = (({"degrees": 20}, None, ()), None)
    runner.run()
    assert room.journal.events().count("feel_seen") == 3


def test_a_loop_of_the_program_is_told_from_progress() -> None:
    assert STEPS_WITHOUT_PAUSE_MAX == 10_000


def test_an_interrupt_keeps_its_guards_and_words_in_every_state() -> None:
    rules = Interrupt(T.SPILL, Group("any", (S.COLD, S.FILLED)), S.SPILLED, "x", RULES[0].when).rules
    assert [rule.source for rule in rules] == [S.COLD, S.FILLED]
    assert {(rule.trigger, rule.why, rule.when) for rule in rules} == {(T.SPILL, "x", RULES[0].when)}
