"""What the journal refuses ends no run: an intent is not acted on, a result is not known."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rpd.engine import unrecordable
from rpd.engine.decision import Do
from rpd.engine.operation import Plain, Result
from rpd.engine.ports import Request
from rpd.journal.errors import RecordRefused
from rpd.journal.records import Body, DebtChange, Intent, Note, Observation, Outcome, Requested
from tests.engine import kettle
from tests.engine.kettle import Feel, Felt, Pour, Room
from tests.fakes.clock import FakeControl

LONG: dict[str, Plain] = {f"drop {n}": "wet" for n in range(9000)}


class Deluge(Pour, frozen=True):
    """A pour whose arguments are long."""

    more: tuple[str, ...]
    text: str


def room_where(patch: pytest.MonkeyPatch, operation: type[Any], change: Any, *, at: str = "perform") -> Room:
    """A kettle in which what an operation gives is changed on its way into the journal."""
    whole = getattr(operation, at)
    patch.setattr(operation, at, lambda *what: change(whole(*what)))
    return Room()


def longer(result: Result) -> Result:
    return msgspec.structs.replace(result, detail={**LONG, "has_steam": True})


def bodies(room: Room, kind: type[Any], op: str) -> list[Any]:
    found = [record.body for record in room.journal.records()]
    return [body for body in found if isinstance(body, kind) and body.op == op]


def test_a_result_that_no_record_holds_is_unknown_and_probed_and_nothing_is_done_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = room_where(monkeypatch, Pour, longer)
    assert room.boil().closed
    assert room.kitchen.poured == room.kitchen.peeks == 1
    first, second = bodies(room, Outcome, "pour")
    assert (first.status, first.reason, first.data) == ("unknown", "record_refused", {"has_steam": True})
    assert "too large" in first.error and (second.status, second.settled) == ("ok", True)


def test_a_proved_failure_stays_one_and_closes_its_debt(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = DebtChange("water", "compute", "close", proof="the tap is closed")
    met: list[Result] = []

    def refused(result: Result) -> Result:
        met.append(result)
        if len(met) > 1:
            return result
        detail: dict[str, Plain] = {**LONG, "may_appear": True}
        return Result("failed", detail=detail, error="!" * 90_000, debts=(closed,), retryable=True)

    room = room_where(monkeypatch, Pour, refused)
    assert room.boil().closed
    first = bodies(room, Outcome, "pour")[0]
    assert (first.status, first.retryable, first.data) == ("failed", True, {"may_appear": True})
    assert first.debts == (msgspec.structs.replace(closed, proof="not kept"),)


def test_what_a_probe_proved_not_to_have_happened_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    room = room_where(monkeypatch, Pour, longer, at="probe")
    room.kitchen.pour_ends = ["lost"]
    assert room.boil().closed
    told = bodies(room, Outcome, "pour")[1]
    assert (told.status, told.settled, told.reason) == ("failed", True, "record_refused"), "it was not poured"
    assert room.kitchen.poured == 1


def test_a_look_that_no_record_holds_has_failed_and_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Result] = []

    def change(result: Result) -> Result:
        tries.append(result)
        same = msgspec.structs.replace(result, answer=Felt(100))
        return longer(same) if len(tries) <= 3 else same

    room = room_where(monkeypatch, Feel, change)
    runner = room.next_process()
    degrees: list[int] = []
    room.control.wait = lambda seconds: degrees.append(runner.facts.degrees)  # type: ignore[method-assign]
    assert runner.run().closed
    seen = bodies(room, Observation, "feel")
    assert [(each.reason, each.error is not None) for each in seen] == [("record_refused", True), (None, False)]
    assert seen[0].data == {} and len(tries) == 4 and set(degrees) <= {20}, "what is not in the journal is not known"


def test_an_intent_that_no_record_holds_is_not_acted_on_and_owes_nothing() -> None:
    tries: list[Do] = []

    def decide(facts: Any, now: Any) -> Any:
        decision = kettle._cold(facts, now)
        if not isinstance(decision, Do) or len(tries) > 1:
            return decision
        tries.append(decision)
        return msgspec.structs.replace(decision, operation=Deluge(1, tuple(LONG), "!" * 90_000))

    room = Room(decide={**kettle.DECIDE, kettle.S.COLD: decide})
    assert room.boil().closed
    intents, outcomes = bodies(room, Intent, "pour"), bodies(room, Outcome, "pour")
    assert [(each.status, each.reason) for each in outcomes] == [("failed", "record_refused")] * 2 + [("ok", None)]
    assert [len(each.debts) for each in intents] == [0, 0, 1] and len({each.opid for each in intents}) == 3
    assert intents[0].args["litres"] == 1 and 0 < len(intents[0].args["more"]) <= 100
    assert room.kitchen.poured == 1 and room.kitchen.peeks == 0
    assert "not begun" in outcomes[0].error


def test_an_intent_that_is_refused_for_another_reason_is_an_error_of_the_program() -> None:
    room = Room()
    whole = room.journal.append

    def append(body: Body, *, sync: bool = True) -> Any:
        if isinstance(body, Intent):
            raise RecordRefused("a record holds a secret")
        return whole(body, sync=sync)

    room.journal.append = append  # type: ignore[method-assign]
    with pytest.raises(RecordRefused):
        room.boil()
    assert room.kitchen.poured == 0


def test_a_request_is_heard_whatever_it_brings() -> None:
    room = Room()
    asked = Request("enough", "b" * 90_000, {"how": "stop", "fault": "f" * 90_000, "until": 1.5, "x": []})
    room.control = FakeControl(room.clock, asked)
    assert room.boil().closed
    told = next(record.body for record in room.journal.records() if isinstance(record.body, Requested))
    assert told.what == "enough" and told.detail == {"how": "stop", "until": 1.5} and len(told.by) < 200


def test_nothing_stands_in_the_place_of_a_note() -> None:
    assert unrecordable.in_its_place(Note("t"), "too large") is None
