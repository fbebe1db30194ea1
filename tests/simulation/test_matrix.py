"""A share of the crash matrix: every place of the plain life, and every seventh of some others."""

from __future__ import annotations

import pytest

from tests.simulation.lives import LIVES
from tests.simulation.matrix import Cell, fill

SHARE = ("create answered by nothing", "detached", "gc finds results", "wrong hardware", "out of time")


def _broken(cells: dict[tuple[str, str, str], Cell]) -> list[str]:
    return [f"{where}: {violation} {schedule}" for where, cell in cells.items() for schedule, violation in cell.broken]


def test_every_crash_of_the_plain_life() -> None:
    cells = fill([LIVES["success"]])
    assert _broken(cells) == []
    assert all(cell.places for cell in cells.values())


@pytest.mark.parametrize("name", SHARE)
def test_some_crashes_of_other_lives(name: str) -> None:
    cells = fill([LIVES[name]], step=7, seconds=3)
    assert _broken(cells) == []
    assert all(cell.places for cell in cells.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(set(LIVES) - {"success"}))
def test_every_crash_of_a_life(name: str) -> None:
    cells = fill([LIVES[name]])
    assert _broken(cells) == []
    assert all(cell.places for cell in cells.values()), [where for where, cell in cells.items() if not cell.places]
