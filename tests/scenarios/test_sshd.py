"""Pods whose sshd is set up otherwise than most: few sessions on a connection, or none for us at all."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.adapters.sandbox import daemon
from rpd.journal.records import Observation, Outcome
from rpd.states.ports.names import Op
from tests.scenarios.harness import CommandLine, artifact, config


def staged_job(stage: CommandLine, body: str, **sections: Any) -> dict[str, Any]:
    """One file goes there, one comes back."""
    (stage.folder / "data").mkdir()
    (stage.folder / "data" / "in.txt").write_text("in\n")
    return config(
        body,
        staging=[{"source": "data", "destination": "/workspace/data"}],
        artifacts=artifact(required=True),
        **sections,
    )


@pytest.mark.parametrize("sessions", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_few_sessions_on_a_connection_are_enough(stage: CommandLine, sessions: int) -> None:
    stage.fault("F42", times=0, sessions=sessions)
    body = "mkdir -p /workspace/out; cat /workspace/data/in.txt >/workspace/out/result.txt; sleep 0.8; echo said"
    points = {"paths": ["/workspace/out"], "every_minutes": 0.01}
    done = stage.run(staged_job(stage, body, checkpoints=points))
    assert done.returncode == 0, done.stderr
    assert stage.result() == "in\n"
    assert "ChannelException" not in done.stderr
    stage.judge("TERMINATED", starts=1)
    told = [record.body for record in stage.records() if isinstance(record.body, Observation | Outcome)]
    assert not [body for body in told if body.reason is not None and body.op != Op.GREET]  # sshd may not be up yet


KEPT_OUT = {
    "root": "knows our SSH key and does not let user root in",
    "password": "lets nobody in with a key; it takes password",
    "algorithms": "shares no algorithm with rpd",
    "command": "runs no command of ours",
}


@pytest.mark.parametrize(
    "how", ["root", *(pytest.param(how, marks=pytest.mark.slow) for how in ("command", "password", "algorithms"))]
)
def test_an_sshd_that_keeps_us_out_ends_the_run_at_once_and_is_named(stage: CommandLine, how: str) -> None:
    stage.fault("F19", times=0, how=how)
    done = stage.run(config())
    assert done.returncode == 6
    assert KEPT_OUT[how] in done.stderr
    assert "refused (ssh_refused)" in done.stderr
    assert "large images" not in done.stderr
    stage.judge("TERMINATED", starts=0)
    assert stage.truth()["pods"][0]["billed_seconds"] < 20.0


@pytest.mark.parametrize(("how", "seconds"), [("auth", 3), pytest.param("root", 1, marks=pytest.mark.slow)])
def test_a_key_or_settings_that_are_written_late_are_waited_for(stage: CommandLine, how: str, seconds: int) -> None:
    stage.fault("F19", how=how, seconds=seconds)
    assert stage.run(config()).returncode == 0
    stage.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_a_key_that_never_comes_costs_no_second_host(stage: CommandLine) -> None:
    stage.fault("F19", times=0, how="auth")
    done = stage.run(config(budget={"ssh_ready_timeout_sec": 4}))
    assert done.returncode == 6
    assert "does not accept our SSH key" in done.stderr
    stage.judge("TERMINATED", starts=0)


@pytest.mark.slow
def test_an_image_without_an_sshd_costs_no_second_host(stage: CommandLine) -> None:
    document = config(budget={"ssh_ready_timeout_sec": 6})
    document["pod"]["image"] = "sandbox/no-sshd"
    done = stage.run(document)
    assert done.returncode == 6
    assert "no sshd has answered on port 22" in done.stderr
    assert "refused (image_failed)" in done.stderr
    stage.judge("TERMINATED", starts=0)


def test_a_volume_that_is_read_only_ends_the_run_at_once_and_is_named(stage: CommandLine) -> None:
    info = daemon.find(stage.sandbox_home)
    if info is None or info.isolation != "namespace":
        pytest.skip("a pod without a namespace has no mounts of its own")
    stage.fault("F43", times=0)
    done = stage.run(config())
    assert done.returncode == 6
    assert "refused (volume_refused)" in done.stderr
    assert "Read-only file system" in done.stderr
    stage.judge("TERMINATED", starts=0)
