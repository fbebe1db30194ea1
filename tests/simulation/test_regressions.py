"""No bug that the simulation ever found comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.planting import PATCHES, check_applies
from tests.simulation.regressions import REGRESSIONS, Regression
from tests.simulation.run import Simulation


@pytest.mark.parametrize("regression", REGRESSIONS, ids=[each.name for each in REGRESSIONS])
def test_it_does_not_come_back(regression: Regression) -> None:
    assert Simulation(regression.decoded()).run().violations == []
    assert (PATCHES / f"{regression.mutant}.patch").is_file()


@pytest.mark.parametrize("patch", sorted(PATCHES.glob("*.patch")), ids=lambda patch: patch.stem)
def test_each_planted_fault_fits_the_source(patch: Path) -> None:
    check_applies(patch)
