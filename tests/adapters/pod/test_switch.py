"""The dead-man's switch releases the pod when it should, and not before, whoever started it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from rpd.adapters.pod.attention import Attention
from rpd.adapters.pod.remote import PodRemote
from rpd.adapters.pod.start_command import original_command, switch_start_command
from rpd.engine.errors import Refused
from rpd.states.ports.world import Armed, LaunchOrder, SwitchOrder
from tests.adapters.pod.cloud import Cloud
from tests.adapters.pod.conftest import Requests
from tests.adapters.pod.local_shell import KEY, POD_ID, LocalShell, tool_folder, until

NEVER = 4_000_000_000.0
BOX = ("sh", "mkdir", "mv", "cat", "date", "sleep", "tr", "grep", "sed", "head", "tail", "setsid", "rm", "env")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """The cloud the pod's switch talks to."""
    cloud = Cloud()
    yield cloud
    cloud.close()


@pytest.fixture
def armed_pod(pod: LocalShell, cloud: Cloud) -> Iterator[LocalShell]:
    """A pod whose switch looks round every 0.2 s; all of it is killed in the end, for a switch never ends by itself."""
    pod.env |= {"RPD_API_URL": cloud.url, "RPD_SWITCH_INTERVAL": "0.2"}
    yield pod
    pod.kill_all()


def order(limit_at: float = NEVER, action: str = "stop", silence: float = 600.0, generation: int = 1) -> SwitchOrder:
    return SwitchOrder(generation, limit_at, action, silence, 1)


def launch(remote: PodRemote, pod: LocalShell, script: str) -> None:
    remote.launch(pod.target, LaunchOrder(1, script, str(pod.volume / "run.sh"), str(pod.volume / "log"), {}, 1, "z"))


def acts(cloud: Cloud) -> str:
    """The release that the switch asks for, sooner or later."""
    until(lambda: cloud.calls)
    return cloud.calls[0]


def stays(pod: LocalShell, cloud: Cloud, seconds: float) -> bool:
    """Whether nothing is released for a while in which the switch looks round several times."""
    until(lambda: cloud.calls, seconds, must=False)
    return not cloud.calls


def container(pod: LocalShell, **extra: str) -> subprocess.Popen[bytes]:
    """The pod's first process with the switch in its start command."""
    words = shlex.split(switch_start_command("sleep 3600", volume=str(pod.volume)))
    return subprocess.Popen(words, env={**pod.env, **extra})


def test_armed_over_ssh(armed_pod: LocalShell, remote: PodRemote, cloud: Cloud) -> None:
    first = remote.arm(armed_pod.target, order())
    again = remote.arm(armed_pod.target, order(generation=2))
    assert first == Armed(1, NEVER, "ok", False, first.pid) and first.pid
    assert again == Armed(2, NEVER, "ok", False, first.pid)
    assert stays(armed_pod, cloud, 0.6)


@pytest.mark.parametrize(
    ("action", "call"), [("stop", "POST stop"), pytest.param("terminate", "DELETE", marks=pytest.mark.slow)]
)
def test_the_limit_releases(action: str, call: str, armed_pod: LocalShell, remote: PodRemote, cloud: Cloud) -> None:
    remote.arm(armed_pod.target, order(time.time() + 2, action))
    assert cloud.calls == []
    assert acts(cloud) == call


@pytest.mark.parametrize("seconds", [-3600.0, 31e6])
def test_a_wrong_clock_here_does_not_move_the_limit(
    seconds: float, armed_pod: LocalShell, cloud: Cloud, requests: Requests
) -> None:
    def wall() -> float:
        return time.time() + seconds

    remote = PodRemote(armed_pod, attention=Attention(requests), wall=wall)
    limit_at = float(int(wall() + 60.0))
    assert remote.arm(armed_pod.target, order(limit_at)).limit_at == pytest.approx(limit_at, abs=2.0)
    assert stays(armed_pod, cloud, 0.6)
    remote.arm(armed_pod.target, order(wall() + 1.0, generation=2))
    assert acts(cloud) == "POST stop"


@pytest.mark.slow
def test_it_goes_on_asking_until_it_is_heard(armed_pod: LocalShell, remote: PodRemote, cloud: Cloud) -> None:
    remote.arm(armed_pod.target, order(time.time() + 1))
    cloud.refuse = [403, 500, 429]
    until(lambda: len(cloud.calls) >= 2)
    assert cloud.refuse == []


def test_a_silent_owner_releases_after_the_jobs_end_only(
    armed_pod: LocalShell, remote: PodRemote, cloud: Cloud
) -> None:
    remote.arm(armed_pod.target, order(silence=1.0))
    launch(remote, armed_pod, f"until [ -e {armed_pod.volume}/go ]; do sleep 0.05; done")
    assert stays(armed_pod, cloud, 2.0)
    (armed_pod.volume / "go").touch()
    assert acts(cloud) == "POST stop"
    assert (armed_pod.folder / "jobs/1/rc").exists()


@pytest.mark.slow
def test_a_present_owner_keeps_the_pod_after_the_jobs_end(
    armed_pod: LocalShell, remote: PodRemote, cloud: Cloud
) -> None:
    remote.arm(armed_pod.target, order(silence=2.0))
    launch(remote, armed_pod, "true")
    lease = armed_pod.folder / "switch/owner"
    end = time.monotonic() + 3.5
    while time.monotonic() < end:
        lease.write_text(f"{int(time.time())}\n")
        until(lambda: cloud.calls, 0.2, must=False)
    assert cloud.calls == []
    assert acts(cloud) == "POST stop"


def test_without_a_job_the_presence_of_the_owner_alone_counts(
    armed_pod: LocalShell, remote: PodRemote, cloud: Cloud
) -> None:
    remote.arm(armed_pod.target, SwitchOrder(1, NEVER, "stop", 2.0, 0))
    end = time.monotonic() + 4.0
    while time.monotonic() < end:
        assert remote.attend(armed_pod.target, ()) == ()
        assert stays(armed_pod, cloud, 0.2), "the owner is here"
    until(lambda: cloud.calls)
    assert cloud.calls[0] == "POST stop"


def test_whoever_attends_yields_to_another_owner(armed_pod: LocalShell, remote: PodRemote) -> None:
    newer = msgspec.structs.replace(armed_pod.target, epoch=armed_pod.target.epoch + 1)
    assert remote.attend(newer, ()) == ()
    with pytest.raises(Refused) as caught:
        remote.attend(armed_pod.target, ())
    assert caught.value.reason == "taken_over"


def test_a_lost_job_counts_as_ended(armed_pod: LocalShell, remote: PodRemote, cloud: Cloud) -> None:
    launch(remote, armed_pod, "exec sleep 60")
    armed_pod.kill_all()
    remote.arm(armed_pod.target, order(silence=1.0))
    assert acts(cloud) == "POST stop"


@pytest.mark.slow
def test_the_running_job_is_not_saved_from_the_limit(armed_pod: LocalShell, remote: PodRemote, cloud: Cloud) -> None:
    launch(remote, armed_pod, "sleep 60")
    remote.arm(armed_pod.target, order(time.time() + 1, silence=600.0))
    assert acts(cloud) == "POST stop"


@pytest.mark.weak_point(29)
def test_no_secret_in_any_argument_list(armed_pod: LocalShell, remote: PodRemote, cloud: Cloud) -> None:
    remote.arm(armed_pod.target, order(time.time() - 5))
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        for pid in armed_pod.processes():
            try:
                assert KEY.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
    assert KEY not in "".join(
        file.read_text() for file in armed_pod.volume.rglob("*") if file.is_file() and ".rpd" in file.parts
    )


@pytest.mark.parametrize(
    "client", ["curl", *(pytest.param(name, marks=pytest.mark.slow) for name in ("python3", "wget"))]
)
def test_any_client_will_do(
    client: str,
    tmp_path: Path,
    make_pod: Callable[..., LocalShell],
    remote_of: Callable[[LocalShell], PodRemote],
    cloud: Cloud,
) -> None:
    with tool_folder(tmp_path / "bin", *BOX, client) as path:
        pod = make_pod(path=path)
        pod.env |= {"RPD_API_URL": cloud.url, "RPD_SWITCH_INTERVAL": "0.2"}
        try:
            assert remote_of(pod).arm(pod.target, order(time.time() - 5, "terminate")).probe == "ok"
            assert acts(cloud) == "DELETE"
            assert remote_of(pod).arm(pod.target, order(time.time() - 5, "stop")).probe == "ok"
            until(lambda: "POST stop" in cloud.calls)
            assert cloud.calls[0] == "DELETE"
            cloud.refuse = [403]
            assert remote_of(pod).arm(pod.target, order()).probe in ("http 403", "ok")
        finally:
            pod.kill_all()


def test_the_probe_says_why_not(
    tmp_path: Path,
    make_pod: Callable[..., LocalShell],
    remote_of: Callable[[LocalShell], PodRemote],
    cloud: Cloud,
) -> None:
    with tool_folder(tmp_path / "bin", *BOX) as path:
        pod = make_pod()
        pod.env |= {"RPD_API_URL": cloud.url}
        remote = remote_of(pod)
        try:
            cloud.refuse = [403]
            assert remote.arm(pod.target, order()).probe == "http 403"
            pod.env["RUNPOD_API_KEY"] = "rpa_OTHER"
            assert remote.arm(pod.target, order()).probe == "http 401"
            pod.env["RPD_API_URL"] = "http://127.0.0.1:1/v2"
            assert remote.arm(pod.target, order()).probe == "no answer"
            del pod.env["RUNPOD_API_KEY"]
            assert remote.arm(pod.target, order()).probe == "no key"
            pod.env |= {"PATH": path, "RUNPOD_API_KEY": KEY}
            assert remote.arm(pod.target, order()).probe == "no http client"
            pod.env["RUNPOD_POD_ID"] = "another"
            with pytest.raises(Refused) as caught:
                remote.arm(pod.target, order())
            assert caught.value.reason == "wrong_pod"
        finally:
            pod.kill_all()


def test_runpodctl_is_the_last_resort(armed_pod: LocalShell, remote: PodRemote, cloud: Cloud, tmp_path: Path) -> None:
    tool = tmp_path / "tools/runpodctl"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\nexit 1\n')
    tool.chmod(0o755)
    armed_pod.env["PATH"] = f"{tool.parent}:{armed_pod.env['PATH']}"
    cloud.refuse = [403] * 100
    remote.arm(armed_pod.target, order(time.time() + 1, "terminate"))
    until(lambda: (tmp_path / "asked").exists() and len((tmp_path / "asked").read_text().splitlines()) >= 2)
    assert (tmp_path / "asked").read_text().splitlines()[:2] == [f"pod delete {POD_ID}", f"remove pod {POD_ID}"]


class TestStartCommand:
    """The switch as part of the container's first process."""

    def test_text(self) -> None:
        text = switch_start_command("bash -c 'echo \"a b\"; sleep 1' x")
        words = shlex.split(text)
        assert len(text) < 8192 and words[:2] == ["sh", "-c"] and len(words) == 3
        assert words[2].splitlines()[-1] == "exec bash -c 'echo \"a b\"; sleep 1' x"
        assert "exec /start.sh" in switch_start_command("/start.sh")

    @pytest.mark.parametrize(
        ("image", "args", "original"),
        [
            ("runpod/pytorch:2.8.0-py3.11-cuda12.8.1-cudnn-devel-ubuntu22.04", None, "/start.sh"),
            ("runpod/base", "", "/start.sh"),
            ("runpod/base@sha256:abc", None, "/start.sh"),
            ("runpod/pytorch:x", "sleep 5", "sleep 5"),
            ("runpod/comfyui:latest", None, None),
            ("runpod/worker-v1-vllm:stable", None, None),
            ("somebody/runpod/base", None, None),
            ("ubuntu:24.04", None, None),
        ],
    )
    def test_original(self, image: str, args: str | None, original: str | None) -> None:
        assert original_command(image, args) == original

    @pytest.mark.parametrize("sh", ["dash", "bash"])
    def test_it_becomes_the_original(self, sh: str, armed_pod: LocalShell, tmp_path: Path) -> None:
        words = shlex.split(switch_start_command("sh -c 'echo $$ \"$0\" >first' 'a  b'", volume=str(armed_pod.volume)))
        words[0] = shutil.which(sh) or sh
        first = subprocess.Popen(words, env=armed_pod.env, cwd=tmp_path)
        assert first.wait(10) == 0
        assert (tmp_path / "first").read_text() == f"{first.pid} a  b\n"

    def test_it_is_restart_proof(self, armed_pod: LocalShell, remote: PodRemote, cloud: Cloud) -> None:
        first = container(armed_pod)
        try:
            home = armed_pod.volume / f".rpd/pod-{POD_ID}"
            until(lambda: (home / "loop").exists())
            armed = remote.arm(armed_pod.target, order(time.time() + 3))
            assert armed.is_restart_proof and armed.probe == "ok"
            armed_pod.kill_all()
            first.wait()
            first = container(armed_pod)
            assert acts(cloud) == "POST stop"
        finally:
            armed_pod.kill_all()
            first.wait()

    def test_before_any_orders_the_limit_of_the_environment_holds(self, armed_pod: LocalShell, cloud: Cloud) -> None:
        first = container(armed_pod, RPD_LIMIT_AT=str(int(time.time()) + 2))
        try:
            assert acts(cloud) == "POST stop"
        finally:
            armed_pod.kill_all()
            first.wait()

    @pytest.mark.parametrize("ago", [-100.0, 0.0])
    def test_a_past_limit_of_this_start_acts(self, ago: float, armed_pod: LocalShell, cloud: Cloud) -> None:
        limit = int(time.time()) - 50
        cloud.started = limit + ago
        first = container(armed_pod, RPD_LIMIT_AT=str(limit))
        try:
            assert acts(cloud) == "POST stop"
        finally:
            armed_pod.kill_all()
            first.wait()

    @pytest.mark.parametrize("is_told", [True, pytest.param(False, marks=pytest.mark.slow)])
    def test_a_limit_left_by_an_earlier_start_gets_a_grace(
        self, is_told: bool, armed_pod: LocalShell, remote: PodRemote, cloud: Cloud
    ) -> None:
        limit = int(time.time()) - 50
        cloud.started = limit + 20.0 if is_told else None
        first = container(armed_pod, RPD_LIMIT_AT=str(limit), RPD_SWITCH_GRACE="3")
        try:
            assert stays(armed_pod, cloud, 1.5)
            remote.arm(armed_pod.target, order())
            assert stays(armed_pod, cloud, 2.5)
            remote.arm(armed_pod.target, order(limit))
            assert acts(cloud) == "POST stop"
        finally:
            armed_pod.kill_all()
            first.wait()
