"""`rpd top` beside a live run: what it shows, and what its keys do, judged by the sandbox's own books."""

from __future__ import annotations

import json
import signal

import pytest

from tests.scenarios.harness import GATED, CommandLine, artifact, config
from tests.scenarios.live import eventually


def test_off_a_terminal_it_prints_once(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until_begun()
    board = json.loads(cli.rpd("top", "--json").stdout)
    assert board["schema"] == "rpd.top/1"
    (row,) = board["rows"]
    assert (row["kind"], row["run_id"], row["state"], row["pid"]) == ("run", cli.run_id, "monitor", live.process.pid)
    assert row["pod_id"] == cli.live_pod()["id"] and row["may_act"] and row["awaits"]
    assert "the switch in the pod" in row["released_by"] and board["usd_per_hour"] == row["usd_per_hour"] > 0
    for words in (("top",), ("top", "--plain")):
        page = cli.rpd(*words)
        assert (page.returncode, cli.run_id in page.stdout, "\x1b" in page.stdout) == (0, True, False)
    cli.go()
    assert live.end() == 0, live.text


@pytest.mark.slow
def test_its_keys_start_commands_and_give_the_terminal_back(cli: CommandLine) -> None:
    live = cli.begin(config(GATED, artifacts=artifact(required=False)))
    live.until_begun()
    top = cli.start_on_terminal("top")
    top.until_text("follow the job")
    top.type("i")
    top.until_text("-- Enter goes back --")
    assert "budget" in top.text
    top.type("\n")
    top.until_text("rpd inspect ended with 0")
    top.type("c")
    top.until_text("y does it")
    top.type("n")
    top.until_text("nothing was done")
    assert cli.state() == "monitor"
    top.type("c")
    eventually(lambda: top.text.count("y does it") > 1)
    top.type("y")
    assert live.end() == 130, live.text
    eventually(lambda: top.text.count("-- Enter goes back --") > 1)
    top.type("\n")
    top.until_text("rpd cancel ended with 0")
    top.type("q")
    assert top.end() == 0, top.text
    assert top.text.count("\x1b[?1049h") == top.text.count("\x1b[?1049l") == 3
    cli.nothing_computes()


@pytest.mark.slow
def test_a_signal_ends_it_and_touches_no_run(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until_begun()
    for number in (signal.SIGTERM, signal.SIGINT):
        top = cli.start_on_terminal("top")
        top.until_text("follow the job")
        top.signal(number)
        assert top.end() == 0, top.text
        assert top.text.rstrip().endswith("\x1b[?1049l")
    gone = cli.start_on_terminal("top")
    gone.until_text("follow the job")
    gone.hang_up()
    assert gone.process.wait(20.0) == 0
    assert cli.state() == "monitor"
    cli.go()
    assert live.end() == 0, live.text


@pytest.mark.slow
def test_pods_that_are_not_ours_are_shown_and_left_alone(cli: CommandLine) -> None:
    body = {"name": "a-notebook", "image": "x", "disk": 20, "cloud": "SECURE", "env": {}}
    cli.call("POST", "/v2/pods", {**body, "gpu": {"id": "NVIDIA L4", "count": 1}})
    assert cli.run(config("exit 3", artifacts=artifact())).returncode == 5
    top = cli.start_on_terminal("top")
    top.until_text("a-notebook")
    for key, told in (
        ("r", "nothing is done to this one"),
        ("c", "nothing is done to this one"),
        ("l", "not for this one"),
    ):
        top.type(key)
        top.until_text(told)
    top.type("q")
    assert top.end() == 0, top.text
    assert sorted(cli.statuses()) == ["EXITED", "RUNNING"]
