"""A pod that cannot be reached: each cause has its words, and the next thing to type."""

from __future__ import annotations

import subprocess

import pytest

from rpd.adapters.sandbox import daemon
from tests.scenarios.harness import GATED, IMAGE, CommandLine, config, eventually
from tests.scenarios.live import RPD


@pytest.fixture
def waiting(cli: CommandLine) -> CommandLine:
    """A run whose job waits, without an engine."""
    done = cli.run(config(GATED), "--detach")
    assert done.returncode == 75, done.stderr
    return cli


@pytest.mark.slow
def test_a_pod_that_was_not_greeted_yet_has_to_be_waited_for(cli: CommandLine) -> None:
    cli.play(boot_seconds=60)
    live = cli.begin(config(GATED))
    live.until("boot")
    done = cli.rpd("exec", "--", "true")
    assert done.returncode == 2
    assert "has not been greeted yet, so its host key is not known" in done.stderr
    assert "wait for its state `arm`" in done.stderr
    for words in (("shell",), ("ssh-config",), ("tunnel", cli.run_id, "80"), ("push", cli.run_id, "job.yaml")):
        assert "has not been greeted yet" in cli.rpd(*words).stderr
    assert not list((cli.home / "ssh").glob("pods/*")), "no host key is believed that nobody pinned"


@pytest.mark.slow
def test_a_stopped_pod_names_the_command_that_starts_it(waiting: CommandLine) -> None:
    lost = waiting.start("exec", waiting.run_id, "--", "sh", "-c", "echo up; sleep 1000")
    eventually(lambda: "up" in lost.out)
    waiting.somebody("stop")
    assert lost.end(60) == 255, "as `ssh` for an error of its own"
    assert "the command may go on in the pod" in lost.text
    done = waiting.rpd("exec", waiting.run_id, "--", "true")
    assert done.returncode == 2
    assert "is stopped" in done.stderr and f"rpd resume {waiting.run_id}   starts it" in done.stderr


def test_a_changed_host_key_is_an_error_and_nothing_is_sent(waiting: CommandLine) -> None:
    pod = waiting.live_pod()["id"]
    waiting.somebody("stop")
    waiting.call("POST", f"/v2/pods/{pod}/action", {"action": "start"})  # its container is new, and so is its host key
    eventually(lambda: waiting.live_pod()["status"] == "RUNNING")

    def refused() -> bool:
        done = waiting.rpd("exec", waiting.run_id, "--", "touch", "/workspace/sent")
        assert done.returncode != 0
        return "shows the host key" in done.stderr and f"rpd resume {waiting.run_id}" in done.stderr

    eventually(refused)
    for words in (("shell", waiting.run_id), ("ssh-config", waiting.run_id), ("tunnel", waiting.run_id, "80")):
        done = waiting.rpd(*words)
        assert done.returncode == 1 and "not the pinned one" in done.stderr, done.stderr
    assert not list((waiting.home / "ssh").glob("pods/*"))
    assert not (waiting.sandbox_home / "pods" / pod / "volume" / "sent").exists()


def test_a_cloud_that_does_not_answer_does_not_lock_us_out(waiting: CommandLine) -> None:
    """The journal says where the pod was, and the pinned key proves that it is still there."""
    waiting.fault("F33", times=0)
    done = waiting.rpd("exec", waiting.run_id, "--", "echo", "in")
    assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr


def test_a_pod_of_somebody_else_is_named_as_such_and_left_alone(cli: CommandLine) -> None:
    gpu = {"id": "NVIDIA L4", "count": 1}
    cli.call("POST", "/v2/pods", {"name": "theirs", "image": IMAGE, "disk": 10, "gpu": gpu, "ports": ["22/tcp"]})
    pod = cli.live_pod()["id"]
    info = daemon.find(cli.sandbox_home)
    assert info is not None
    done = subprocess.run(
        [*RPD, "exec", pod, "--", "true"],
        env={**cli.environment, "RPD_API_URL": info.url, "RUNPOD_API_KEY": info.api_key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and f"pod {pod} (theirs, " in done.stderr, done.stderr
    assert "belongs to somebody else" in done.stderr and "rpd goes into no such pod" in done.stderr
    assert cli.truth()["pods"][0]["ssh_logins"] == 0


@pytest.mark.slow
def test_a_run_that_is_over_has_no_pod_any_more(cli: CommandLine) -> None:
    assert cli.run(config()).returncode == 0
    done = cli.rpd("shell", cli.run_id)
    assert done.returncode == 2 and "was deleted" in done.stderr


@pytest.mark.slow
def test_push_beside_a_live_engine_is_done_and_said_to_be_unrecorded(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until_begun()
    (cli.folder / "more").write_text("more")
    before = len(cli.records())
    done = cli.rpd("push", cli.run_id, "more")
    assert done.returncode == 0, done.stderr
    assert f"pid {live.process.pid} drives the run" in done.stderr and "not recorded" in done.stderr
    ours = [record for record in cli.records()[before:] if record.body.__class__.__name__ == "Resumed"]
    assert not ours, "the engine keeps its journal"
    cli.go()
    assert live.end() == 0
    cli.judge("TERMINATED", starts=1)
