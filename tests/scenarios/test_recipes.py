"""The pages of docs/recipes do what they promise, judged by the sandbox's truth."""

from __future__ import annotations

import json

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


@pytest.mark.slow
@pytest.mark.row(136)
def test_postprocess(stage: Stage) -> None:
    recipe = Recipe(stage, "postprocess.md")
    recipe.play("Tables and plots from the results", "Run, then look")
    stage.judge("TERMINATED", "TERMINATED", starts=2)
    table, latest = "table.csv", "latest.csv"
    assert recipe.out.count("model,items,mean,gpu,usd\n") == 2
    rows = (stage.folder / table).read_text().splitlines()[1:]
    assert sorted(row.rpartition(",")[0] for row in rows) == ["large,4,0.50,NVIDIA L4", "small,4,0.50,NVIDIA L4"]
    assert [row.split(",")[0] for row in (stage.folder / latest).read_text().splitlines()] == ["model", "large"]
    recipe.play("Change the table, not the run")
    assert "large,4,0.5000,NVIDIA L4" in recipe.out
    stage.judge("TERMINATED", "TERMINATED", starts=2)


@pytest.mark.slow
@pytest.mark.row(131, 136)
def test_sweeps(stage: Stage) -> None:
    stage.fault("F1", times=2)  # both candidates of one point: it has to try again
    recipe = Recipe(stage, "sweeps.md", PAUSE="0")
    recipe.play("Sweeps", "From bash")
    told = recipe.out.splitlines()
    assert "seed 3: exit code 5, 1 tries" in told, "a job that fails is not tried again"
    assert sorted(line.split(":")[0] for line in told[:4]) == ["seed 1", "seed 2", "seed 3", "seed 4"]
    assert told[4] == "some points failed"
    assert sum(int(line.split(", ")[1].split()[0]) for line in told[:4]) == 5, told
    assert stage.starts() == 4
    recipe.play("From make")
    assert set(recipe.out.split()) >= {"5", "6"}
    assert stage.starts() == 7
    recipe.play("A day's limit")
    assert recipe.out.endswith("refused, exit code 7\n")
    assert stage.starts() == 7
    recipe.play("What came of it")
    assert {"1,0.1,10", "2,0.1,20", "4,0.1,40", "5,0.1,50", "6,0.1,60"} <= set(recipe.out.splitlines())
    assert recipe.out.endswith("nothing computes that is ours to release\n")
    assert stage.statuses() == ["TERMINATED"] * 7
    _two_at_a_time(stage)


def _two_at_a_time(stage: Stage) -> None:
    """By the cloud's ledger there were two pods at some time, and never three."""
    pods = json.loads((stage.sandbox_home / "state.json").read_text())["pods"].values()
    spans = [(span["since"], span["until"]) for pod in pods for span in pod["spans"] if span["kind"] == "compute"]
    assert max(sum(since <= moment < until for since, until in spans) for moment, _ in spans) == 2
