"""`rpd pods` and `rpd pod` beside live engines, judged by the sandbox's own books."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.harness import GATED, CommandLine, artifact, config
from tests.scenarios.live import eventually

WORK = f"mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt; {GATED}"


@pytest.mark.slow
@pytest.mark.row(103, 226)
def test_a_live_run_is_asked_to_stop_its_pod_and_collects_first(cli: CommandLine) -> None:
    live = cli.begin(config(WORK, artifacts=artifact()))
    live.until_begun()
    pod = cli.live_pod()["id"]
    row = json.loads(cli.rpd("pods", "--json").stdout)["pods"][0]
    assert (row["id"], row["owner"]["pid"], row["results"]) == (pod, live.process.pid, "not_collected")
    refused = cli.rpd("pod", "delete")
    assert (refused.returncode, cli.statuses()) == (2, ["RUNNING"]), refused.stderr
    stopped = cli.rpd("pod", "stop", "--yes")
    assert stopped.returncode == 0, stopped.stderr
    assert f"asked the engine (pid {live.process.pid}" in stopped.stderr
    assert live.end() == 130, live.text
    cli.judge("EXITED", starts=1)
    assert cli.result() == "42\n", "what could be fetched was fetched first"
    gone = cli.rpd("pod", "delete", pod, "--yes")
    assert gone.returncode == 0, gone.stderr
    cli.judge("TERMINATED", starts=1)
    assert cli.inspect()["debts"] == []
    assert json.loads(cli.rpd("pods", "--json").stdout)["pods"] == []


@pytest.mark.slow
@pytest.mark.row(103)
def test_a_stopped_pod_is_started_with_its_run_and_its_results_come(cli: CommandLine) -> None:
    live = cli.begin(config(WORK, artifacts=artifact(), lifecycle={"on_interrupt": "detach"}))
    live.until_begun()
    live.kill()
    cli.go()
    cli.somebody("stop")
    started = cli.rpd("pod", "start")
    assert started.returncode in (0, 10), started.stderr
    assert f"rpd resume {cli.run_id}" in started.stderr
    assert cli.result() == "42\n"
    cli.nothing_computes()


@pytest.mark.slow
def test_a_locked_pod_is_neither_stopped_nor_is_its_job_ended(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until_begun()
    pod = cli.live_pod()["id"]
    cli.call("PATCH", f"/v2/pods/{pod}", {"locked": True})
    refused = cli.rpd("pod", "delete", "--yes")
    assert (refused.returncode, "curl -X PATCH" in refused.stderr) == (8, True), refused.stderr
    assert cli.state() == "monitor"
    cli.call("PATCH", f"/v2/pods/{pod}", {"locked": False})
    cli.go()
    assert live.end() == 0, live.text


@pytest.mark.slow
def test_they_are_watched_on_a_terminal_that_is_given_back(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until_begun()
    for leave in ("q", "\x03"):
        watcher = cli.start_on_terminal("pods", "--watch")
        watcher.until_text("run job")
        watcher.type(leave)
        assert watcher.end() == 0, watcher.text
        assert watcher.text.rstrip().endswith("\x1b[?1049l"), "the screen is as it was"
    cli.go()
    assert live.end() == 0, live.text
    eventually(lambda: cli.statuses() == ["TERMINATED"])
