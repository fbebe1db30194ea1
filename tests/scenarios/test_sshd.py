"""Pods whose sshd is set up otherwise than most: few sessions on a connection, or none for us at all."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.adapters.sandbox import daemon
from rpd.journal.records import Observation, Outcome
from rpd.states.ports.names import Op
from tests.scenarios.harness import CommandLine, artifact, config


def staged_job(cli: CommandLine, body: str, **sections: Any) -> dict[str, Any]:
    """One file goes there, one comes back."""
    (cli.folder / "data").mkdir()
    (cli.folder / "data" / "in.txt").write_text("in\n")
    return config(
        body,
        staging=[{"source": "data", "destination": "/workspace/data"}],
        artifacts=artifact(required=True),
        **sections,
    )


@pytest.mark.parametrize("sessions", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_few_sessions_on_a_connection_are_enough(cli: CommandLine, sessions: int) -> None:
    cli.fault("F42", times=0, sessions=sessions)
    body = "mkdir -p /workspace/out; cat /workspace/data/in.txt >/workspace/out/result.txt; sleep 0.8; echo said"
    points = {"paths": ["/workspace/out"], "every_minutes": 0.01}
    done = cli.run(staged_job(cli, body, checkpoints=points))
    assert done.returncode == 0, done.stderr
    assert cli.result() == "in\n"
    assert "ChannelException" not in done.stderr
    cli.judge("TERMINATED", starts=1)
    told = [record.body for record in cli.records() if isinstance(record.body, Observation | Outcome)]
    assert not [body for body in told if body.reason is not None and body.op != Op.GREET]  # sshd may not be up yet


KEPT_OUT = {
    "root": "knows our SSH key and does not let user root in",
    "password": "accepts no key; it accepts password",
    "algorithms": "shares no algorithm with rpd",
    "command": "does not run rpd's commands",
}


@pytest.mark.parametrize(
    "how", ["root", *(pytest.param(how, marks=pytest.mark.slow) for how in ("command", "password", "algorithms"))]
)
def test_an_sshd_that_keeps_us_out_ends_the_run_at_once_and_is_named(cli: CommandLine, how: str) -> None:
    cli.fault("F19", times=0, how=how)
    done = cli.run(config())
    assert done.returncode == 6
    assert KEPT_OUT[how] in done.stderr
    assert "refused (ssh_refused)" in done.stderr
    assert "large images" not in done.stderr
    cli.judge("TERMINATED", starts=0)
    assert cli.truth()["pods"][0]["billed_seconds"] < 20.0


@pytest.mark.parametrize(("how", "seconds"), [pytest.param("auth", 3, marks=pytest.mark.slow), ("root", 1)])
def test_a_key_or_settings_that_are_written_late_are_waited_for(cli: CommandLine, how: str, seconds: int) -> None:
    cli.fault("F19", how=how, seconds=seconds)
    assert cli.run(config()).returncode == 0
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_a_key_that_never_comes_costs_no_second_host(cli: CommandLine) -> None:
    cli.fault("F19", times=0, how="auth")
    done = cli.run(config(budget={"ssh_ready_timeout_sec": 4}))
    assert done.returncode == 6
    assert "does not accept our SSH key" in done.stderr
    cli.judge("TERMINATED", starts=0)


@pytest.mark.slow
def test_an_image_without_an_sshd_costs_no_second_host(cli: CommandLine) -> None:
    document = config(budget={"ssh_ready_timeout_sec": 6})
    document["pod"]["image"] = "sandbox/no-sshd"
    done = cli.run(document)
    assert done.returncode == 6
    assert "no sshd has answered on port 22" in done.stderr
    assert "refused (image_failed)" in done.stderr
    cli.judge("TERMINATED", starts=0)


def test_a_volume_that_is_read_only_ends_the_run_at_once_and_is_named(cli: CommandLine) -> None:
    info = daemon.find(cli.sandbox_home)
    if info is None or info.isolation != "namespace":
        pytest.skip("a pod without a namespace has no mounts of its own")
    cli.fault("F43", times=0)
    done = cli.run(config())
    assert done.returncode == 6
    assert "refused (volume_refused)" in done.stderr
    assert "Read-only file system" in done.stderr
    cli.judge("TERMINATED", starts=0)
