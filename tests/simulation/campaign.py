"""Many seeds, one after the other, and what they came to."""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Iterable

import msgspec

from tests.simulation.catalogue import FAULTS
from tests.simulation.draw import draw, reach
from tests.simulation.oracle import Violation
from tests.simulation.run import Simulation
from tests.simulation.schedule import Schedule
from tests.simulation.shrink import shrink, story


class Figures(msgspec.Struct):
    """What a campaign came to. `broken` holds (seed, violation); times are in seconds."""

    schedules: int = 0
    seconds: float = 0.0
    simulated_seconds: float = 0.0
    broken: list[tuple[int, Violation]] = []
    struck: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    seen: set[tuple[str, str]] = set()

    @property
    def per_minute(self) -> float:
        """Schedules a minute of this process."""
        return self.schedules / max(self.seconds, 1e-9) * 60.0

    def unvisited(self) -> list[tuple[str, str]]:
        """(state, fault) pairs whose moment came and that no fault struck."""
        can = {
            (state, fault.name) for state, moment in self.seen for fault in FAULTS.values() if fault.moment == moment
        }
        return sorted((can | set(reach().pairs)) - set(self.struck))

    def unforeseen(self) -> list[tuple[str, str]]:
        """(state, moment) pairs that came up and that no scripted life leads to: faults are never aimed there."""
        return sorted(self.seen - set(reach().moments))


def campaign(seeds: Iterable[int], *, until_broken: bool = False) -> Figures:
    """Run the seeds; with `until_broken` only up to the first violation."""
    figures = Figures()
    reach()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)  # a run is some thousand objects, and most are garbage right after it
    began = time.perf_counter()
    for seed in seeds:
        verdict = Simulation(draw(seed)).run()
        figures.schedules += 1
        figures.simulated_seconds += verdict.simulated_seconds
        figures.struck.update(verdict.struck)
        figures.seen |= verdict.seen
        if verdict.violations:
            figures.broken.append((seed, verdict.violations[0]))
            if until_broken:
                break
    figures.seconds = time.perf_counter() - began
    return figures


def main(count: int, first: int) -> int:
    """`make sim`: prints every broken promise with its shortest story, the coverage, and the figures."""
    figures = campaign(range(first, first + count))
    for rule, seeds in _by_rule(figures).items():
        _tell(rule, seeds)
    pairs = len(reach().pairs)
    unvisited, unforeseen = figures.unvisited(), figures.unforeseen()
    for state, name in unvisited:
        print(f"not visited: {name}, in {state}")
    for state, moment in unforeseen:
        print(f"no scripted life leads to: {moment}, in {state}")
    least = min((figures.struck[pair] for pair in reach().pairs), default=0)
    print(
        f"(state, fault) pairs: {len(figures.struck)} visited, {len(unvisited)} not visited, "
        f"{pairs} aimed at, each of these at least {least} times"
    )
    days = figures.simulated_seconds / 86400.0
    print(f"simulated: {days:.0f} days in {figures.seconds:.0f} s; seeds {first} to {first + count - 1}")
    print(
        f"{figures.schedules} schedules, {len(figures.broken)} violations, {figures.per_minute:.0f} schedules a minute"
    )
    return 1 if figures.broken else 0


def _by_rule(figures: Figures) -> dict[str, list[int]]:
    rules: dict[str, list[int]] = {}
    for seed, violation in figures.broken:
        rules.setdefault(violation.rule, []).append(seed)
    return rules


def _tell(rule: str, seeds: list[int]) -> None:
    simplest = min(seeds[:20], key=lambda seed: _size(draw(seed)))
    schedule, broken = shrink(draw(simplest))
    print(f"\n{rule}: {len(seeds)} seeds ({', '.join(map(str, seeds[:12]))}{' ...' if len(seeds) > 12 else ''})")
    print(f"  {broken[0].text if broken else ''}")
    print(f"  the shortest schedule found, from seed {simplest}: {msgspec.json.encode(schedule).decode()}")
    for line in story(schedule):
        print(f"  {line[:160]}")
    sys.stdout.flush()


def _size(schedule: Schedule) -> int:
    return len(schedule.strikes) + len(schedule.acts)
