"""What happens to a person in a pod: the window is closed, the process is killed or suspended, the network goes away.
On a real terminal, with the real command. The sandbox's own truth judges: the pod is in a journal and listed, there is
no second one, and it is released as the policy says.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from rpd.journal.lock import holder
from tests.scenarios.harness import CommandLine, eventually
from tests.scenarios.live import RPD
from tests.scenarios.test_network import dropped
from tests.scenarios.tmux import Screen, needs_tmux, screen

pytestmark = [needs_tmux, pytest.mark.slow]

CONNECT = ("connect", "--gpu", "NVIDIA L4", "--preset", "comfyui", "--hours", "1", "--yes", "--sandbox")
URL = re.compile(r"Connected: (http://127\.0\.0\.1:\d+)")


@pytest.fixture
def window(cli: CommandLine) -> Iterator[Screen]:
    """A window in which a person is connected."""
    with screen(cli.folder, cli.environment, columns=160) as opened:
        opened.type(shlex.join([*RPD, *CONNECT]))
        eventually(lambda: URL.search(opened.history()), tell=opened.text)
        yield opened


def url(window: Screen) -> str:
    """What the person was told."""
    found = URL.search(window.history())
    assert found is not None, window.text()
    return found[1]


def is_served(address: str) -> bool:
    """Whether the service answers there."""
    return requests.get(f"{address}/system_stats", timeout=10).ok


def owner(cli: CommandLine) -> int:
    """The process that drives the session."""
    found = holder(cli.journal)
    assert found is not None, "somebody drives it"
    return found.pid


def listed(cli: CommandLine) -> dict[str, Any]:
    """The one pod of the account, as `rpd pods` shows it; it is the one of the journal, and there is no second one."""
    (row,) = json.loads(cli.rpd("pods", "--json").stdout)["pods"]
    assert row["id"] == cli.live_pod()["id"] == cli.inspect()["pod"]["id"]
    assert row["owner"]["run_id"] == cli.run_id, row
    cli.judge("RUNNING", starts=0)
    return dict(row)


def is_released_by_gc(cli: CommandLine) -> None:
    """Nobody drives it any more: `rpd gc` stops the pod, and deletes nothing that a person left in it."""
    work = Path(cli.sandbox_home, "pods", cli.live_pod()["id"], "volume", "mine.txt")
    work.write_text("work")
    done = cli.rpd("gc", "--yes")
    assert done.returncode == 0, done.stderr
    cli.judge("EXITED", starts=0)
    assert work.read_text() == "work"
    assert cli.inspect()["next"] == "the pod is stopped; rpd resume starts it again"


def is_left(cli: CommandLine) -> None:
    """The pod is stopped, and the process has proved it and ended."""
    eventually(lambda: holder(cli.journal) is None, tell=cli.state)
    cli.judge("EXITED", starts=0)


def test_a_closed_window_leaves_a_session_that_others_see_and_end(cli: CommandLine, window: Screen) -> None:
    address, pid = url(window), owner(cli)
    window.close()
    time.sleep(1.0)  # the hang-up has come
    assert owner(cli) == pid and is_served(address)
    assert listed(cli)["owner"]["pid"] == pid
    assert cli.rpd("gc", "--yes").returncode == 0
    cli.judge("RUNNING", starts=0)
    assert cli.rpd("release", cli.run_id, "--stop", "--yes").returncode == 0
    is_left(cli)


def test_a_killed_session_is_listed_and_released(cli: CommandLine, window: Screen) -> None:
    os.kill(owner(cli), signal.SIGKILL)
    window.until("Killed")
    assert listed(cli)["owner"]["pid"] is None
    assert cli.inspect()["released_by"]["who"] == "the switch in the pod"
    is_released_by_gc(cli)


def test_a_suspended_session_keeps_its_pod_and_goes_on(cli: CommandLine, window: Screen) -> None:
    address, pid = url(window), owner(cli)
    window.press("C-z")
    window.until("Stopped")
    assert listed(cli)["owner"]["pid"] == pid
    assert cli.rpd("gc", "--yes").returncode == 0
    cli.judge("RUNNING", starts=0)
    window.type("fg")
    eventually(lambda: cli.inspect()["services"][0]["ready"])
    assert is_served(address)
    window.press("C-c")
    window.until("no answer in 60 s: stop")
    window.type("s")
    is_left(cli)


def test_a_lost_link_is_told_and_comes_back(cli: CommandLine, window: Screen) -> None:
    address = url(window)
    cli.fault("F40", seconds=30)
    window.until("the connection to the pod is lost")
    window.until("Connected again")
    assert is_served(address)
    listed(cli)
    os.kill(owner(cli), signal.SIGTERM)
    is_left(cli)


@pytest.mark.timeout(700)
def test_minutes_without_a_network_are_told_and_survived(cli: CommandLine, window: Screen) -> None:
    address = url(window)
    with dropped(cli):
        window.until("the connection to the pod is lost", seconds=240.0)
        window.until("attend  2 m", seconds=240.0)
    window.until("Connected again after", seconds=240.0)
    assert is_served(address)
    listed(cli)
    os.kill(owner(cli), signal.SIGTERM)
    is_left(cli)


@pytest.mark.timeout(700)
def test_killed_without_a_network_it_is_released_when_the_network_is_back(cli: CommandLine, window: Screen) -> None:
    with dropped(cli):
        window.until("the connection to the pod is lost", seconds=240.0)
        os.kill(owner(cli), signal.SIGKILL)
        window.until("Killed")
        done = cli.rpd("gc", "--yes")
        assert done.returncode != 0, "nobody can know that the pod was released"
    listed(cli)
    is_released_by_gc(cli)
