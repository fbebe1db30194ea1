"""Whole lives of orders for network volumes, over an account in memory and in virtual time: what the cloud does to an
order, and a death before and after every record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rpd.engine.errors import Ambiguous, Refused, RpdError, Unavailable
from rpd.engine.lint import lint
from rpd.engine.operation import Effect
from rpd.journal.errors import JournalStrange
from rpd.journal.records import Intent
from rpd.states.ports.volume import Volume, VolumeWorld
from rpd.states.volume.facts import VolumeFacts
from rpd.states.volume.fold import config_of, replayed
from rpd.states.volume.lifecycle import VOLUME_LIFECYCLE
from rpd.states.volume.operations import CreateVolume, DeleteVolume, GrowVolume
from rpd.states.volume.table import VOLUME
from tests.fakes.clock import FakeClock
from tests.fakes.driven import Driven
from tests.fakes.fuse import Crash, Fuse
from tests.journal.samples import opened

WINDOW, INTERVAL = 180.0, 30.0
CREATE = CreateVolume("data", 50, "EUR-IS-1", "STANDARD", WINDOW)
GROW = GrowVolume("old", 60)
DELETE = DeleteVolume("old", INTERVAL)


class Account:
    """The port `VolumeCloud`. `fault` is what the next effect meets: "lost" (done, no answer), "ignored" (an answer was
    lost and nothing was done), "refused". What was made shows `late` seconds afterwards, and what was deleted goes
    then. `trouble` is raised by the next reads."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.fuse = Fuse()
        self.there = {"old": Volume("old", "older", 50, "EUR-IS-1", "STANDARD")}
        self.from_: dict[str, float] = {}
        self.until: dict[str, float] = {}
        self.sent: list[str] = []
        self.fault = ""
        self.late = 0.0
        self.trouble: list[RpdError | None] = []
        self.lists_only = False
        self.made = 0

    def volumes(self) -> tuple[Volume, ...]:
        self._read()
        return tuple(self.there[each] for each in self.there if self._shows(each))

    def volume(self, volume_id: str) -> Volume | None:
        self._read()
        return self.there[volume_id] if self._shows(volume_id) and not self.lists_only else None

    def create_volume(self, name: str, size_gb: int, datacenter: str, kind: str) -> Volume:
        def make() -> None:
            self.made += 1
            volume = Volume(f"new{self.made}", name, size_gb, datacenter, kind)
            self.there[volume.id] = volume
            self.from_[volume.id] = self.clock.real + self.late

        self._effect("create", make)
        return self.there[f"new{self.made}"]

    def grow_volume(self, volume_id: str, size_gb: int) -> Volume:
        def grow() -> None:
            old = self.there[volume_id]
            self.there[volume_id] = Volume(old.id, old.name, size_gb, old.data_center, old.type)

        self._effect("grow", grow)
        return self.there[volume_id]

    def delete_volume(self, volume_id: str) -> None:
        self._effect("delete", lambda: self.until.update({volume_id: self.clock.real + self.late}))

    def is_there(self, volume_id: str) -> bool:
        """The truth, whatever is shown."""
        return volume_id in self.there and volume_id not in self.until

    def _effect(self, what: str, do: Callable[[], None]) -> None:
        self.fuse.reach(f"before {what}")
        self.sent.append(what)
        self.clock.advance(0.1)
        fault, self.fault = self.fault, ""
        if fault == "refused":
            raise Refused("no")
        if fault != "ignored":
            do()
        self.fuse.reach(f"after {what}")
        if fault:
            raise Ambiguous("no answer")

    def _read(self) -> None:
        self.clock.advance(0.1)
        error = self.trouble.pop(0) if self.trouble else None
        if error is not None:
            raise error

    def _shows(self, volume_id: str) -> bool:
        now = self.clock.real
        return volume_id in self.there and self.from_.get(volume_id, 0.0) <= now < self.until.get(
            volume_id, float("inf")
        )


class Ordered(Driven[VolumeFacts, VolumeWorld]):
    """One order over an account."""

    def __init__(self, order: Effect[Any, Any, Any], fault: str = "", late: float = 0.0) -> None:
        super().__init__(VOLUME_LIFECYCLE, opened(lifecycle="volume", config=config_of(order)))
        self.account = Account(self.clock)
        self.account.fault, self.account.late = fault, late

    @property
    def ports(self) -> VolumeWorld:
        return VolumeWorld(self.account, self.clock)

    def hand_out(self, fuse: Fuse) -> None:
        super().hand_out(fuse)
        self.account.fuse = fuse


def life(order: Effect[Any, Any, Any], fault: str = "", late: float = 0.0) -> Ordered:
    """The order as one process drives it."""
    ordered = Ordered(order, fault, late)
    assert ordered.process().closed
    return ordered


def test_the_table_is_sound() -> None:
    assert lint(VOLUME) == []


@pytest.mark.parametrize("order", [CREATE, GROW, DELETE], ids=lambda order: order.name)
def test_a_life_without_trouble_sends_once(order: Effect[Any, Any, Any]) -> None:
    ordered = life(order)
    assert len(ordered.account.sent) == 1 and not ordered.facts.is_in_doubt
    assert ordered.facts.result == ("gone" if order is DELETE else "changed")
    assert ordered.replayed() == replayed(ordered.journal.records()), "what a reader finds"


@pytest.mark.parametrize("order", [CREATE, GROW, DELETE], ids=lambda order: order.name)
def test_what_is_refused_is_done(order: Effect[Any, Any, Any]) -> None:
    ordered = life(order, "refused")
    assert (ordered.facts.result, ordered.account.sent) == ("refused", [order.name.removesuffix("_volume")])
    assert ordered.account.made == 0 and ordered.account.is_there("old")


# A volume that is made.


@pytest.mark.parametrize("late", [0.0, 10.0, WINDOW - 1.0])
def test_a_lost_answer_is_settled_by_the_list_within_the_quiet_window(late: float) -> None:
    ordered = life(CREATE, "lost", late)
    assert (ordered.facts.result, ordered.account.sent, ordered.facts.was_lost) == ("changed", ["create"], True)
    assert ordered.facts.volume is not None and ordered.facts.volume.id == "new1"


def test_it_is_absent_only_after_the_quiet_window() -> None:
    ordered = Ordered(CREATE, "ignored")
    ending = ordered.process()
    assert (ending.closed, ending.exit_code, ordered.facts.result) == (True, 8, "not_seen")
    assert WINDOW <= ordered.clock.real < WINDOW * 1.3


def test_a_list_that_cannot_be_read_settles_nothing() -> None:
    ordered = Ordered(CREATE, "lost", late=WINDOW / 2)
    ordered.account.trouble = [Unavailable("silence")] * 20
    ordered.process()
    assert (ordered.facts.result, ordered.account.sent) == ("changed", ["create"])
    assert ordered.clock.real > WINDOW * 1.5


@pytest.mark.parametrize("other", [
    Volume("x", "data", 60, "EUR-IS-1"), Volume("x", "data", 50, "US-TX-3"), Volume("x", "other", 50, "EUR-IS-1"),
])  # fmt: skip
def test_another_volume_is_not_taken_for_it(other: Volume) -> None:
    ordered = Ordered(CREATE, "ignored")
    ordered.account.there["x"] = other
    ordered.process()
    assert ordered.facts.result == "not_seen"


def test_a_twin_of_the_same_moment_does_not_hide_ours() -> None:
    ordered = Ordered(CREATE)
    ordered.account.there["twin"] = Volume("twin", "data", 50, "EUR-IS-1", "STANDARD")
    ordered.process()
    assert ordered.facts.volume is not None and ordered.facts.volume.id == "new1", "the answer names it"


# A volume that grows or is deleted.


@pytest.mark.parametrize(("fault", "result"), [("lost", "changed"), ("ignored", "not_seen")])
def test_growth_whose_answer_was_lost_is_settled_by_reading(fault: str, result: str) -> None:
    ordered = life(GROW, fault)
    assert (ordered.facts.result, ordered.account.sent) == (result, ["grow"])


@pytest.mark.parametrize(("fault", "result"), [("lost", "gone"), ("ignored", "still_there")])
def test_a_deletion_whose_answer_was_lost_is_proved_by_looks(fault: str, result: str) -> None:
    ordered = life(DELETE, fault)
    assert (ordered.facts.result, ordered.account.sent) == (result, ["delete"])


def test_gone_needs_the_whole_proof_interval() -> None:
    ordered = life(DELETE)
    assert ordered.clock.real >= INTERVAL
    late = life(DELETE, late=INTERVAL)
    assert late.facts.result == "gone" and late.clock.real >= 2 * INTERVAL
    never = life(DELETE, late=1e6)
    assert never.facts.result == "still_there"


def test_the_id_alone_proves_nothing() -> None:
    ordered = Ordered(DELETE, late=1e6)
    ordered.account.lists_only = True
    ordered.process()
    assert ordered.facts.result == "still_there"


def test_a_look_that_fails_proves_nothing() -> None:
    ordered = Ordered(DELETE)
    ordered.account.trouble = [Unavailable("silence")] * 99
    ordered.process()
    assert ordered.facts.result == "still_there"
    ordered = Ordered(DELETE)
    ordered.account.trouble = [None, None, Unavailable("silence"), Unavailable("silence")]
    ordered.process()
    assert ordered.facts.result == "gone"


def test_a_volume_that_shows_again_begins_the_proof_anew() -> None:
    ordered = Ordered(DELETE)
    seen = iter([False, False, True, False, False, False])  # by id, look by look
    ordered.account.volume = lambda _id: ordered.account.there["old"] if next(seen, False) else None  # type: ignore[method-assign]
    ordered.process()
    assert ordered.facts.result == "gone" and ordered.clock.real >= 2 * INTERVAL


# Deaths.


def deaths(order: Effect[Any, Any, Any], fault: str, late: float) -> list[tuple[str, Ordered]]:
    """Every place where the process may die, with the order after its next process."""
    fuse = Fuse()
    Ordered(order, fault, late).process(fuse=fuse)
    found = []
    for at in range(len(fuse.places)):
        ordered = Ordered(order, fault, late)
        place = ordered.crash(at)
        if ordered.journal.lines:
            ordered.finish()
        found.append((place, ordered))
    return found


LATE = [("", 0.0), ("lost", 0.0), ("lost", 100.0), ("ignored", 0.0), ("refused", 0.0)]


@pytest.mark.parametrize(("fault", "late"), LATE)
def test_recovery_never_makes_two_and_never_forgets_one(fault: str, late: float) -> None:
    for place, ordered in deaths(CREATE, fault, late):
        made = ordered.account.made
        assert made <= 1 and len(ordered.account.sent) <= 1, place
        assert not ordered.journal.lines or (ordered.facts.volume is not None) == bool(made), place


@pytest.mark.parametrize(("fault", "late"), LATE)
def test_recovery_deletes_nothing_and_grows_nothing_by_itself(fault: str, late: float) -> None:
    for place, ordered in deaths(DELETE, fault, min(late, INTERVAL)):
        assert len(ordered.account.sent) <= 1, place
        assert not ordered.journal.lines or (ordered.facts.result == "gone") == (not ordered.account.is_there("old")), (
            place
        )
    for place, ordered in deaths(GROW, fault, late):
        assert len(ordered.account.sent) <= 1, place
        if ordered.journal.lines:
            assert (ordered.facts.volume is not None) == (ordered.account.there["old"].size == 60), place


@pytest.mark.parametrize("order", [CREATE, GROW, DELETE], ids=lambda order: order.name)
def test_a_resumed_order_is_never_sent(order: Effect[Any, Any, Any]) -> None:
    """Its person may want something else by now."""
    ordered = Ordered(order)
    assert ordered.crash(0) == f"before write of {order.name}_intent"
    ordered.finish()
    assert (ordered.account.sent, ordered.facts.result) == ([], "refused")


def test_a_death_within_the_recovery_loses_nothing_either() -> None:
    for at in range(40):
        ordered = Ordered(CREATE, "lost", 100.0)
        first = next(number for number, place in enumerate(places(CREATE, "lost", 100.0)) if place == "after create")
        ordered.crash(first)
        try:
            ordered.process(command="resume", fuse=Fuse(at))
        except Crash:
            ordered.finish()
        assert (ordered.account.made, ordered.facts.result) == (1, "changed")


def test_an_order_is_in_doubt_from_its_intent_to_its_outcome() -> None:
    for at, place in enumerate(places(CREATE, "lost", 100.0)):
        ordered = Ordered(CREATE, "lost", 100.0)
        ordered.crash(at)
        if not ordered.journal.lines:
            continue
        facts = replayed(ordered.journal.records())
        has_intent = any(isinstance(record.body, Intent) for record in ordered.journal.records())
        assert facts.is_in_doubt == (has_intent and facts.volume is None), place


def test_a_journal_that_holds_no_order_is_strange() -> None:
    ordered = Ordered(CREATE)
    ordered.opened = opened(lifecycle="volume", config={"order": "create_volume", "args": {}})
    with pytest.raises(JournalStrange):
        ordered.process()


def places(order: Effect[Any, Any, Any], fault: str, late: float) -> list[str]:
    """Where a process that drives it may die."""
    fuse = Fuse()
    Ordered(order, fault, late).process(fuse=fuse)
    return fuse.places
