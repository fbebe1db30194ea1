"""The exhaustive crash matrix: the process dies at every write, every sync, after every record and after every effect
of every scripted life, and is recovered by `resume` and by `gc`; sampled, it dies a second time inside the recovery."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from tests.simulation.life import Life
from tests.simulation.lives import LIVES
from tests.simulation.oracle import Violation
from tests.simulation.run import Simulation
from tests.simulation.schedule import Schedule, Strike

POINTS: dict[str, tuple[str, str]] = {
    "before write": ("record:write", "kill at record:write"),
    "written": ("record:sync", "kill at record:sync"),
    "unsynced lost": ("record:sync", "power cut at record:sync"),
    "synced": ("record:done", "kill at record:done"),
    "effect done": ("effect:done", "kill at effect:done"),
}
"""Where the process dies: the moment that is counted, and the fault that strikes there."""
RECOVERIES = ("resume", "gc")
SECOND_CRASHES = 40
"""Sampled second crashes for each life, point and recovery, in the full matrix."""


class Cell(msgspec.Struct):
    """One life, one point, one recovery: how many places there were, and what broke."""

    places: int = 0
    broken: list[tuple[Schedule, Violation]] = []


def places(life: Life) -> dict[str, int]:
    """How many moments of each point the undisturbed life has."""
    simulation = Simulation(life.schedule())
    counts: Counter[str] = Counter()
    simulation.director.count = counts
    simulation.run()
    return {point: counts[moment] for point, (moment, _) in POINTS.items()}


def crashes(life: Life, point: str, how: str, step: int = 1) -> Iterator[Schedule]:
    """A schedule for every place (every `step`-th) of one cell."""
    for nth in range(0, places(life)[point], step):
        yield _schedule(life, how, Strike(POINTS[point][1], nth=nth))


def second_crashes(life: Life, point: str, how: str, count: int) -> Iterator[Schedule]:
    """Sampled: the process dies at a place of the life, and the next one within its first 80 places."""
    dice, found = random.Random(f"{life.name} {point} {how}"), places(life)[point]
    for _ in range(count if found else 0):
        first = dice.randrange(found)
        again = POINTS[dice.choice([each for each in POINTS if each != "effect done"])][1]
        second = Strike(again, nth=(first if again == POINTS[point][1] else 0) + dice.randrange(80))
        yield _schedule(life, how, Strike(POINTS[point][1], nth=first), second)


def _schedule(life: Life, how: str, *strikes: Strike) -> Schedule:
    return life.schedule(*strikes, acts=("gc",) if how == "gc" else (), end=how)


def fill(lives: Sequence[Life], *, step: int = 1, seconds: int = 0) -> dict[tuple[str, str, str], Cell]:
    """The matrix: (life, point, recovery) to its cell; `seconds` second crashes are sampled for each."""
    cells = {}
    for life in lives:
        for point in POINTS:
            for how in RECOVERIES:
                cell = cells[life.name, point, how] = Cell()
                for schedule in (*crashes(life, point, how, step), *second_crashes(life, point, how, seconds)):
                    cell.places += 1
                    broken = Simulation(schedule).run().violations
                    if broken:
                        cell.broken.append((schedule, broken[0]))
    return cells


def main() -> int:
    """`make matrix`: prints the whole matrix; exit code 1 when a promise broke or a cell is empty."""
    began = time.perf_counter()
    cells = fill(list(LIVES.values()), seconds=SECOND_CRASHES)
    print(f"{'places':36}" + "".join(f"{point:>18}" for point in POINTS))
    print(f"{'':36}" + f"{'resume':>10}{'gc':>8}" * len(POINTS))
    for name in LIVES:
        row = [cells[name, point, how] for point in POINTS for how in RECOVERIES]
        marks = [f"{cell.places}{'!' if cell.broken else ''}" for cell in row]
        print(f"{name[:36]:36}" + "".join(f"{mark:>{10 - 2 * (index % 2)}}" for index, mark in enumerate(marks)))
    broken = [each for cell in cells.values() for each in cell.broken]
    for schedule, violation in broken[:20]:
        print(f"{violation}\n    {msgspec.json.encode(schedule).decode()}")
    empty = sum(not cell.places for cell in cells.values())
    runs = sum(cell.places for cell in cells.values())
    print(
        f"{len(LIVES)} lives, {len(cells)} cells, {empty} empty, {runs} crashes, {len(broken)} violations, "
        f"{time.perf_counter() - began:.0f} s"
    )
    return 1 if broken or empty else 0


if __name__ == "__main__":
    sys.exit(main())
