"""The bugs on file fit the source as it stands, and their tests run in `make test`."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.plants.plant import Plant, plants
from tests.simulation.planting import ROOT

ALL = list(plants())


@pytest.mark.parametrize("plant", ALL, ids=lambda plant: plant.name)
def test_each_plant_fits_the_source(plant: Plant) -> None:
    planted = plant.made_in(ROOT)
    assert plant.old != plant.new and plant.seen_by and plant.why
    if plant.file.endswith(".py"):
        compile(planted, plant.file, "exec", dont_inherit=True)


def test_no_two_plants_have_one_name() -> None:
    assert [name for name, times in Counter(plant.name for plant in ALL).items() if times > 1] == []


def test_each_test_that_is_said_to_see_one_runs_in_make_test() -> None:
    named = {test for plant in ALL for test in plant.seen_by}
    files = sorted({test.partition("::")[0] for test in named})
    words = ["--collect-only", "-q", "-m", "not slow", "-p", "no:cacheprovider", *files]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, check=False, capture_output=True, text=True
    )
    quick = done.stdout.splitlines()
    assert [test for test in sorted(named) if not any(_is_of(each, test) for each in quick)] == [], done.stdout[-2000:]


def _is_of(test: str, named: str) -> bool:
    """It is the test that is named, one of its cases, or one in the file that is named."""
    return test == named or test.startswith((f"{named}[", f"{named}::"))
