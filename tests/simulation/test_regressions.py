"""No bug that the simulation ever found comes back."""

from __future__ import annotations

import pytest

from tests.simulation.planting import PATCHES
from tests.simulation.regressions import REGRESSIONS, Regression
from tests.simulation.run import Simulation


@pytest.mark.parametrize("regression", REGRESSIONS, ids=[each.name for each in REGRESSIONS])
def test_it_does_not_come_back(regression: Regression) -> None:
    assert Simulation(regression.decoded()).run().violations == []
    assert (PATCHES / f"{regression.mutant}.patch").is_file()
