"""The network goes away while the job runs: the API, the link to the pod, or both."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest

from rpd.adapters.sandbox import daemon
from tests.scenarios.cutting import cut
from tests.scenarios.harness import GATED, CommandLine, Live, artifact, config, eventually

LINES = 50_000
WHOLE = "".join(f"{number}\n" for number in range(1, LINES + 1))
TALKATIVE = f"""\
for part in 0 1 2 3 4; do
  seq $((part * {LINES // 5} + 1)) $(((part + 1) * {LINES // 5}))
  until [ -e /workspace/go ]; do sleep 0.02; done
  rm /workspace/go
done
"""


@pytest.mark.row(57, 60)
@pytest.mark.parametrize(
    ("fault", "options"),
    [
        pytest.param("F33", {}, marks=pytest.mark.slow),
        pytest.param("F9", {"on": "get"}, marks=pytest.mark.slow),
        pytest.param("F11", {"seconds": 3}, marks=pytest.mark.slow),
    ],
    ids=["edge", "key", "rate"],
)
def test_an_api_in_trouble_does_not_disturb_the_job(cli: CommandLine, fault: str, options: dict[str, object]) -> None:
    live = cli.begin(config(GATED))
    live.until("monitor")
    cli.fault(fault, times=0, **options)
    cli.go()
    live.until("release")
    cli.clear_faults()
    assert live.end() == 0, live.text
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.weak_point(6)
def test_an_api_that_stays_away_at_the_end_keeps_the_debt_open_until_it_is_back(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until("monitor")
    cli.fault("F33", times=0)
    cli.go()
    live.until("release")
    eventually(lambda: cli.struck("F33") >= 3)
    assert live.process.poll() is None
    assert [debt["kind"] for debt in cli.inspect()["debts"]] == ["compute"]
    cli.clear_faults()
    assert live.end() == 0, live.text
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.weak_point(19)
@pytest.mark.row(78)
@pytest.mark.skipif(sys.platform != "linux", reason="cuts connections with pidfd_getfd")
def test_the_log_is_whole_after_the_link_was_cut(cli: CommandLine) -> None:
    live = cli.begin(config(TALKATIVE))
    live.until("monitor")
    for _ in range(5):
        cut_link(cli, live)
        cli.go()
        eventually(lambda: not (volume(cli) / "go").exists() or live.process.poll() is not None)
    assert live.end() == 0, live.text[-3000:]
    assert cli.result("run.log") == WHOLE
    assert "the SSH link was lost" in live.text
    cli.judge("TERMINATED", starts=1)


SLOW_TO_FETCH = "mkdir /workspace/out; head -c 400000000 /dev/urandom >/workspace/out/big; echo done >/workspace/out/r"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("state", "seconds"), [("setup", 40.0), ("collect", 200.0)])
def test_minutes_without_any_network_change_nothing(cli: CommandLine, state: str, seconds: float) -> None:
    """Every packet to the API and to the pod is dropped; the pod goes on. Whatever the file says for a failure, the
    results of a good job are not destroyed because this machine could not fetch them."""
    live = cli.begin(
        config(
            SLOW_TO_FETCH,
            setup=[{"command": "sleep 3"}],
            artifacts=artifact(),
            lifecycle={"on_success": "delete", "on_failure": "delete"},
        )
    )
    live.until(state)
    with dropped(cli):
        time.sleep(seconds)  # the outage itself
        assert live.process.poll() is None, live.text
    assert live.end(240.0) == 0, live.text
    assert cli.result("out/r") == "done\n"
    cli.judge("TERMINATED", starts=1)


@contextlib.contextmanager
def dropped(cli: CommandLine) -> Iterator[None]:
    """Nobody answers, neither the API nor any sshd: the process that serves both is suspended."""
    info = daemon.DaemonFiles(cli.sandbox_home).read_info()
    assert info is not None, "the sandbox is up"
    os.kill(info.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(info.pid, signal.SIGCONT)


def volume(cli: CommandLine) -> Path:
    """The volume of the live pod, seen from outside."""
    pods = list((cli.sandbox_home / "pods").iterdir())
    return pods[0] / "volume" if pods else cli.sandbox_home / "none"


def cut_link(cli: CommandLine, live: Live) -> None:
    """Cut every connection between rpd and its pod."""
    info = daemon.find(cli.sandbox_home)
    assert info is not None, "the sandbox is up"
    port = urlparse(info.url).port
    assert port is not None
    try:
        eventually(lambda: cut(live.process.pid, spare_port=port) > 0, tell=lambda: live.text[-2000:])
    except PermissionError:
        pytest.skip("the kernel does not let one process touch another's connections")
