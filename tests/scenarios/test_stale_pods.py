"""Stopped pods, pods of others, and what `gc` does about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scenarios.harness import GATED, CommandLine, artifact, config
from tests.scenarios.live import eventually


def gc(cli: CommandLine, *words: str) -> dict[str, Any]:
    done = cli.rpd("gc", "--json", *words)
    assert done.returncode in (0, 8), done.stderr
    return {"code": done.returncode, **json.loads(done.stdout)}


@pytest.mark.weak_point(11, 15)
@pytest.mark.slow
@pytest.mark.row(100, 101, 104)
def test_stopped_pods_are_listed_with_their_price_and_deleted_only_on_request(cli: CommandLine) -> None:
    assert cli.run(config("exit 3", artifacts=artifact())).returncode == 5
    assert cli.run(config("exit 3", artifacts=artifact(), name="other")).returncode == 5
    first = gc(cli, "--yes")
    assert [row["usd_per_month"] for row in first["stopped"]] == [2.0, 2.0]
    assert first["stopped_usd_per_month"] == 4.0
    assert first["stopped"][0]["usd_per_day"] == 0.07
    assert cli.statuses() == ["EXITED", "EXITED"], "storage is not touched without a word"
    assert gc(cli, "--yes", "--older-than", "1h")["stopped"][0]["is_released"] is False
    assert gc(cli, "--stopped")["stopped"][0]["is_released"] is False, "a plan does nothing"
    page = cli.rpd("gc").stdout
    assert "total:   2 stopped, $0.13 a day, $4.00 a month" in page
    assert gc(cli, "--yes", "--stopped", "--workflow", "other")["code"] == 0
    assert sorted(cli.statuses()) == ["EXITED", "TERMINATED"]
    assert gc(cli, "--yes", "--older-than", "0s")["stopped_usd_per_month"] == 0
    assert cli.statuses() == ["TERMINATED", "TERMINATED"]
    assert gc(cli)["stopped"] == []


@pytest.mark.slow
@pytest.mark.row(95, 100)
def test_results_that_nobody_has_are_not_deleted_with_the_rest(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until_begun()
    live.kill()
    cli.somebody("stop")
    assert gc(cli, "--yes")["code"] in (0, 8)
    assert gc(cli, "--yes", "--stopped")["stopped"][0]["is_over"] is False
    assert cli.statuses() == ["EXITED"]
    assert "its results are not collected: rpd resume" in cli.rpd("gc").stdout


@pytest.mark.weak_point(11, 12)
@pytest.mark.slow
@pytest.mark.row(102)
def test_a_pod_of_somebody_else_is_shown_and_stopped_only_when_adopted(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until("monitor")
    live.kill()
    pod = cli.live_pod()["id"]
    for journal in cli.journals():  # as if another machine had rented it
        journal.unlink()
    for entry in (cli.home / "index").glob("*.json"):
        entry.unlink()
    assert cli.run(config("echo hello", name="mine")).returncode == 0
    shown = gc(cli, "--yes")
    assert [each["id"] for each in shown["foreign"]] == [pod]
    assert shown["foreign"][0]["owner"]
    assert cli.live_pod()["id"] == pod
    assert gc(cli, "--yes", "--adopt", "nothing")["code"] == 8
    assert gc(cli, "--yes", "--adopt", pod)["code"] == 0
    eventually(lambda: "EXITED" in cli.statuses())
