"""The scripted lives end as they say, seeds break no promise, and a schedule is the same run every time."""

from __future__ import annotations

import pytest

from tests.simulation.campaign import campaign
from tests.simulation.draw import draw, reach
from tests.simulation.life import Life
from tests.simulation.lives import LIVES
from tests.simulation.run import Simulation
from tests.simulation.shrink import story

SEEDS = 1300
"""The share of `make sim` that every `make test` runs."""
ONE_REACH = pytest.mark.xdist_group("seeds")
"""What draws seeds runs in the same process, so that the lives are played once to learn what can happen where."""


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_a_life_ends_as_it_says(life: Life) -> None:
    verdict = Simulation(life.schedule()).run()
    assert verdict.violations == []
    assert verdict.closed is not None
    assert verdict.closed[:2] == (life.outcome, life.reason)
    assert verdict.ends[-1].exit_code == life.exit_code


@ONE_REACH
def test_seeds_break_no_promise() -> None:
    figures = campaign(range(SEEDS))
    assert [f"seed {seed}: {violation}" for seed, violation in figures.broken] == []
    assert len(figures.struck) > len(reach().pairs) * 0.8


@ONE_REACH
@pytest.mark.parametrize(
    "seed", [0, 37, 481, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(74, 600, 37))]
)
def test_a_seed_is_the_same_run_every_time(seed: int) -> None:
    assert draw(seed) == draw(seed)
    one, other = Simulation(draw(seed)).run(), Simulation(draw(seed)).run()
    assert (one.digest, one.struck, one.simulated_seconds) == (other.digest, other.struck, other.simulated_seconds)
    assert story(draw(seed)) == story(draw(seed))
