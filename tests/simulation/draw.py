"""From a seed to a schedule, spread over everything that can go wrong."""

from __future__ import annotations

import functools
import random

from tests.simulation.catalogue import AMOUNTS, FAULTS
from tests.simulation.lives import LIVES
from tests.simulation.oracle import is_survived
from tests.simulation.run import Simulation
from tests.simulation.schedule import Schedule, Strike

ACTS = ("resume", "gc", "cancel", "release", "away")
ALONE = 0.05
"""Share of the schedules in which this machine is offline for minutes, or a container is made anew, and nothing else
goes wrong: then the run has to end as if nothing had been."""
ENDS = ("resume", "resume", "resume", "gc", "never")


class Reach:
    """What can happen where, learned from the undisturbed lives: `pairs` of (state, fault) that can occur, and for each
    the lives that come by such a moment."""

    def __init__(self) -> None:
        self.moments: dict[tuple[str, str], list[str]] = {}
        for life in LIVES.values():
            for moment in Simulation(life.schedule()).run().seen:
                self.moments.setdefault(moment, []).append(life.name)
        self.pairs = sorted(
            (state, fault.name) for state, moment in self.moments for fault in FAULTS.values() if fault.moment == moment
        )

        self.survived = [(state, name) for state, name in self.pairs if is_survived(Strike(name, state))]

    def lives(self, state: str, fault: str) -> list[str]:
        """Lives in which this fault finds its moment in this state."""
        return self.moments[state, FAULTS[fault].moment]


@functools.cache
def reach() -> Reach:
    """The same for the whole process; takes a fraction of a second."""
    return Reach()


def draw(seed: int) -> Schedule:
    """The schedule of a seed. Its first strike walks over all pairs, so that none is left to chance."""
    dice, known = random.Random(seed), reach()
    if dice.random() < ALONE:
        return _alone(dice, seed)
    state, fault = known.pairs[seed % len(known.pairs)]
    strikes = [_strike(dice, state, fault)]
    strikes += [_strike(dice, *dice.choice(known.pairs)) for _ in range(dice.choice((0, 0, 1, 1, 1, 2, 2, 3)))]
    life = dice.choice(known.lives(state, fault))
    acts = tuple(dice.choice(ACTS) for _ in range(dice.choice((0, 0, 0, 1, 1, 2))))
    return Schedule(life, tuple(strikes), acts, dice.choice(ENDS), seed)


def _alone(dice: random.Random, seed: int) -> Schedule:
    """One such fault, or two."""
    known = reach()
    strikes = [_strike(dice, *dice.choice(known.survived)) for _ in range(dice.choice((1, 1, 2)))]
    return Schedule(dice.choice(known.lives(strikes[0].state, strikes[0].fault)), tuple(strikes), seed=seed)


def _strike(dice: random.Random, state: str, fault: str) -> Strike:
    """Early moments are likelier: most states see few of them."""
    nth = min(int(dice.expovariate(0.9)), 12)
    return Strike(fault, state, nth, dice.choice(AMOUNTS[FAULTS[fault].amounts]))
