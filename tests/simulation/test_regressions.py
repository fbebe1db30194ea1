"""No bug that the simulation ever found comes back."""

from __future__ import annotations

import pytest

from tests.simulation.planting import ROOT, Mutant, mutants
from tests.simulation.regressions import REGRESSIONS, Regression
from tests.simulation.run import Simulation


@pytest.mark.parametrize("regression", REGRESSIONS, ids=[each.name for each in REGRESSIONS])
def test_it_does_not_come_back(regression: Regression) -> None:
    assert Simulation(regression.decoded()).run().violations == []
    assert regression.mutant in mutants()


@pytest.mark.parametrize("mutant", mutants().values(), ids=lambda mutant: mutant.name)
def test_each_planted_fault_fits_the_source(mutant: Mutant) -> None:
    assert mutant.why and mutant.change
    for change in mutant.change:
        changed = change.made_in(ROOT)
        if change.file.endswith(".py"):
            compile(changed, change.file, "exec", dont_inherit=True)
