"""The water is poured exactly once, wherever the process dies: before a write, after a write that was lost, after the
sync, before and after each effect; and once more inside the recovery. Complete, not sampled."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.engine.operation import Call, Result
from tests.engine import kettle
from tests.engine.kettle import Kitchen, Pour, Room
from tests.fakes.fuse import Crash, Fuse


def run(room: Room, fuse: Fuse) -> bool:
    """One process; True when it came to its end, False when it died."""
    room.hand_out(fuse)
    try:
        return room.boil().closed
    except Crash:
        return False


def places(**parts: Any) -> int:
    fuse = Fuse()
    assert run(Room(**parts), fuse)
    return len(fuse.places)


def deaths(**parts: Any) -> list[int]:
    """How often the water was poured, for every place of a single death."""
    poured = []
    for at in range(places(**parts)):
        room = Room(**parts)
        assert not run(room, Fuse(at))
        assert run(room, Fuse()), f"place {at}: the end is not reached"
        poured.append(room.kitchen.poured)
    return poured


def test_one_death_anywhere() -> None:
    assert set(deaths()) == {1}
    assert len(deaths()) == 3 * 11 + 4


@pytest.mark.parametrize("end", ["unknown", "lost", "refused"])
def test_one_death_anywhere_in_a_life_with_an_unclear_pour(end: str) -> None:
    fuse = Fuse()
    room = Room()
    room.kitchen.pour_ends = [end]
    assert run(room, fuse)
    for at in range(len(fuse.places)):
        room = Room()
        room.kitchen.pour_ends = [end]
        run(room, Fuse(at))
        assert run(room, Fuse())
        assert room.kitchen.poured == 1, fuse.places[at]


def test_a_second_death_inside_the_recovery() -> None:
    total = places()
    for first in range(total):
        second = 0
        while True:
            room = Room()
            run(room, Fuse(first))
            if run(room, Fuse(second)):
                break
            assert run(room, Fuse())
            assert room.kitchen.poured == 1, (first, second)
            second += 1
        assert room.kitchen.poured == 1


def test_the_check_has_teeth() -> None:
    """Without the probe, a death between the pour and its outcome pours twice."""

    class Blind(Pour, frozen=True):
        def probe(self, call: Call, world: Kitchen) -> Result | None:
            return Result("failed", reason="assumed", retryable=True)

    poured = deaths(effects={**kettle.EFFECTS, "pour": Blind})
    assert poured.count(2) == 3, "after the pour, and before and after the write of its outcome that is lost"
    assert set(poured) == {1, 2}
