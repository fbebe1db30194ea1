"""The pages of docs/recipes do what they promise, judged by the sandbox's truth."""

from __future__ import annotations

import pytest

from tests.scenarios.recipes import FOLDER, PAGES, Recipe
from tests.scenarios.stage import Stage


@pytest.mark.row(136)
def test_the_index_names_every_page_and_its_example_runs_in_the_sandbox(stage: Stage) -> None:
    index = (FOLDER / "README.md").read_text()
    assert all(f"({page})" in index for page in PAGES if page != "README.md")
    recipe = Recipe(stage, "README.md", cloud=False)
    recipe.play()
    stage.judge("TERMINATED", starts=1)
    assert stage.result("run.log").startswith("hello from ")


@pytest.mark.slow
@pytest.mark.row(136)
def test_recycle(stage: Stage) -> None:
    recipe = Recipe(stage, "recycle.md")
    recipe.play("The same job again and again", "Twice")
    stage.judge("EXITED", starts=2)
    assert "taking up paused pod" in recipe.said
    assert recipe.out.splitlines()[-2:] == ["download"] * 2, "each result holds the one download there was"
    assert stage.result("out/bytes.txt").strip() == "1000000"
    recipe.play("What the pause costs")
    assert "$0.20 a day" in recipe.out
    assert stage.truth()["pods"][0]["id"] in recipe.out
    recipe.play("From scratch")
    stage.judge("TERMINATED", "EXITED", starts=3)
    recipe.play("The end")
    stage.judge("TERMINATED", "TERMINATED", starts=3)
