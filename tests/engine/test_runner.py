"""The one loop, on the kettle."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from rpd.engine.decision import Fire
from rpd.engine.errors import Interrupted, Unavailable
from rpd.engine.machine import Forbidden
from rpd.engine.operation import Result
from rpd.engine.runner import Ending
from rpd.journal.errors import JournalStrange, JournalUnwritable
from rpd.journal.records import DebtChange, Intent, Left, Observation, Outcome, Resumed, Transition
from tests.engine import kettle
from tests.engine.kettle import Feel, Kettle, Pour, Room, S, T
from tests.fakes.driven import RUN_ID
from tests.fakes.journal import MemoryJournal


def test_a_life() -> None:
    room = Room()
    assert room.boil() == Ending(True, 0, "tea", None)
    assert room.journal.events() == [
        "opened",
        "pour_intent",
        "pour_ok",
        "cold_to_filled",
        "switch_intent",
        "switch_ok",
        "filled_to_heating",
        "feel_seen",
        "feel_seen",
        "feel_seen",
        "heating_to_hot",
        "closed",
    ]
    assert room.ear.heard == room.journal.events()[1:]
    assert room.kitchen.poured == room.kitchen.switched == 1


def test_the_intent_is_durable_before_the_effect_and_carries_its_debt() -> None:
    room = Room()
    room.journal.full_after = 1
    with pytest.raises(JournalUnwritable):
        room.boil()
    assert room.kitchen.poured == 0
    room.journal.full_after = None
    room.boil()
    intent = next(record.body for record in room.journal.records() if isinstance(record.body, Intent))
    assert intent.opid == "0001-pour" and intent.state == "cold" and intent.debts[0].change == "open"


def test_looks_are_recorded_on_change_only_and_live_data_never() -> None:
    room = Room()
    room.kitchen.heat = [20, 20, 20, 20, 60, 60, 100]
    runner = room.next_process()
    runner.run()
    seen = [record.body for record in room.journal.records() if isinstance(record.body, Observation)]
    assert [body.data for body in seen] == [{"degrees": 20}, {"degrees": 60}, {"degrees": 100}]
    assert runner.facts.bubbles == 100, "but the facts in memory have it"
    assert room.control.waits.count(5.0) == 6


def test_a_failed_look_is_an_observation() -> None:
    room = Room()
    room.kitchen.heat[:0] = [Interrupted("asked"), Unavailable("steam", reason="steam")]
    room.boil()
    seen = [record.body for record in room.journal.records() if isinstance(record.body, Observation)]
    assert [body.error for body in seen] == ["steam", None, None, None], "a look that was cut short is none"


def test_a_refused_effect_is_failed_and_decided_anew() -> None:
    room = Room()
    room.kitchen.pour_ends = ["refused"]
    room.boil()
    assert room.kitchen.peeks == 0, "a refusal needs no probe"
    outcomes = [record.body for record in room.journal.records() if isinstance(record.body, Outcome)]
    assert [(o.op, o.status, o.settled) for o in outcomes[:2]] == [("pour", "failed", False), ("pour", "ok", False)]


@pytest.mark.parametrize(("end", "pours"), [("unknown", 1), ("lost", 1)])
def test_an_unknown_outcome_is_probed_and_nothing_else(end: str, pours: int) -> None:
    room = Room()
    room.kitchen.pour_ends = [end]
    assert room.boil().closed
    assert room.kitchen.poured == pours and room.kitchen.peeks == 1
    events = room.journal.events()
    assert events[1:4] == ["pour_intent", "pour_unknown", "pour_ok" if end == "unknown" else "pour_failed"]
    settled = room.journal.records()[3].body
    assert isinstance(settled, Outcome) and settled.settled


def test_a_probe_that_cannot_tell_waits_longer_each_time() -> None:
    room = Room()
    room.kitchen.pour_ends = ["unknown"]
    room.kitchen.can_see = False
    waits = room.control.waits

    def wait(seconds: float) -> None:
        waits.append(seconds)
        room.clock.real += seconds
        room.kitchen.can_see = len(waits) >= 4

    room.control.wait = wait  # type: ignore[method-assign]
    room.boil()
    assert waits[:4] == [1.0, 2.0, 3.0, 4.0]
    assert room.kitchen.poured == 1


@pytest.mark.parametrize(
    ("op", "args", "why"),
    [
        ("pour", {}, "object missing required field `litres`"),
        ("pour", {"litres": "much"}, r"expected `int`, got `str` - at `\$\.litres`"),
    ],
)
def test_an_intent_that_no_run_writes_is_strange(op: str, args: dict[str, Any], why: str) -> None:
    """Nothing is asked and nothing is done."""
    room = Room()
    room.journal.append(Intent("0001-x", op, "cold", args))
    runner = room.next_process()
    with pytest.raises(JournalStrange, match=f"^intent 0001-x makes no sense: {why}"):
        runner.run()
    assert room.kitchen.poured == room.kitchen.peeks == 0
    assert room.journal.events() == ["opened", f"{op}_intent"]


@pytest.mark.parametrize("op", ["stir", "feel"])
def test_an_intent_of_another_version_is_cut_off_and_the_run_goes_on(op: str) -> None:
    room = Room()
    room.journal.append(Intent("0001-x", op, "cold", debts=(DebtChange("spoon", "compute", "open"),)))
    assert room.next_process().run().closed
    outcome = room.journal.records()[2].body
    assert isinstance(outcome, Outcome) and (outcome.opid, outcome.status) == ("0001-x", "failed")
    assert (outcome.reason, outcome.settled, outcome.debts) == ("repeatable", True, ())
    assert room.kitchen.poured == 1


def test_requests_are_recorded_before_they_act() -> None:
    room = Room("enough")
    assert room.boil().closed
    assert room.journal.events()[1:3] == ["requested", "cold_to_spilled"]
    assert room.kitchen.poured == 0


def test_a_run_that_was_left_goes_on_after_resumed() -> None:
    room = Room("leave")
    ending = room.boil()
    assert ending == Ending(False, 75, None, None, "as asked")
    left = room.journal.records()[-1].body
    assert isinstance(left, Left) and left.released_by == "the fuse box"
    assert room.next_process().run() == ending, "still left: nobody took it over"
    room.journal.append(Resumed("resume", "h", 1, "u", "0"))
    room.lifecycle = kettle.lifecycle(interrupts=lambda state, facts, now: None)
    assert room.boil().closed


def test_a_move_that_the_guards_refuse_is_an_error_of_the_program() -> None:
    room = Room(interrupts=lambda state, facts, now: Fire(T.FILL))
    with pytest.raises(Forbidden):
        room.boil()
    assert room.journal.events() == ["opened"]


def test_replay_follows_recorded_moves_and_asks_no_guard() -> None:
    room = Room()
    room.journal.append(Transition("fill", "cold", "heating"))
    assert room.next_process().state is S.HEATING


def test_endless_decisions_are_an_error_of_the_program() -> None:
    table_of_loops = (*kettle.RULES, kettle.Rule(T.BOIL, S.COLD, S.COLD, "round"))
    loop = kettle.Table("loop", S, T, S.COLD, frozenset({S.HOT, S.SPILLED}), table_of_loops)
    room = Room(table=loop, interrupts=lambda state, facts, now: Fire(T.BOIL))
    room.journal.append = lambda body, sync=True: kettle_record(room, body)  # type: ignore[method-assign,assignment]
    with pytest.raises(AssertionError, match="without end"):
        room.boil()


def kettle_record(room: Room, body: Any) -> Any:
    """A record that costs nothing to write."""
    from rpd.journal.records import Record

    return Record(1, 1, "run-1", room.clock.now(), "", "x", "transition", True, "", "", body)


@pytest.mark.parametrize("good", range(2, 12))
def test_a_journal_that_fails_with_debts_ends_the_run_elsewhere(good: int) -> None:
    room = Room()
    room.journal.full_after = good
    if good == 11:  # only the last line is missing, and nothing is owed any more
        with pytest.raises(JournalUnwritable):
            room.boil()
        return
    assert room.boil().closed
    assert room.emergency is not None
    assert room.emergency.events()[0] == "requested"
    asked = room.emergency.records()[0].body
    assert getattr(asked, "what", "") == "release" and asked.detail == {"storage_error": True}  # type: ignore[union-attr]
    begun = [event for event in room.emergency.events() if event.endswith("_intent")]
    assert begun == [], "nothing new is begun"
    assert room.kitchen.poured == 1


def test_a_second_failure_is_not_survived() -> None:
    room = Room()
    room.journal.full_after = 3
    full = MemoryJournal(RUN_ID, room.clock.now)
    full.full_after = 0
    runner = room.next_process()
    runner._emergency = lambda: full
    with pytest.raises(JournalUnwritable):
        runner.run()
    assert full.events() == [] and room.kitchen.poured == 1


class Heard(msgspec.Struct, frozen=True):
    degrees: int
    note: str = "hush"


class Smelt(msgspec.Struct, frozen=True):
    smell: str = "hush"


def test_what_no_record_holds_is_masked_like_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look whose failure repeats is folded without a record, and what is waited for is told without one."""
    room = Room(mask=lambda data: json.loads(json.dumps(data).replace("hush", "***")))
    told: list[str] = []

    def apply(facts: Kettle, record: Any) -> None:
        if isinstance(record.body, Observation):
            data = record.body.data
            told.append(f"{record.seq} {record.body.error} {data.get('note')} {data.get('smell')}")
        kettle.apply(facts, record)

    monkeypatch.setattr(Feel, "perform", lambda feel, world: Result(answer=Heard(world.feel()), live=Smelt()))
    monkeypatch.setattr(Feel, "words", "feel hush")
    monkeypatch.setattr(Pour, "words", "pour hush")
    room.lifecycle = kettle.lifecycle(apply=apply)
    room.kitchen.pour_ends = ["unknown"]
    failures = [Unavailable(f"{n} hush", reason="steam") for n in (1, 2, 3)]
    room.kitchen.heat = [*failures, *[20] * 5, 100]
    room.boil()
    assert [line for line in told if line.startswith("-1 ")][:2] == ["-1 2 *** None None", "-1 3 *** None None"]
    assert [line for line in told if line.endswith("None *** ***")], "data and live data as well"
    assert "hush" not in "".join(told)
    assert "feel ***" in room.ear.doings and "what became of pour ***" in room.ear.doings
    assert "hush" not in "".join(room.ear.doings)
