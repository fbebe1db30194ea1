"""The pod says who it is before anything is written in it; a newer owner is respected."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from rpd.adapters.pod.remote import PodRemote
from rpd.engine.errors import Refused
from rpd.states.ports.world import LaunchOrder
from tests.adapters.pod.local_shell import ADDRESS, POD_ID, LocalShell, tool_folder


def test_who_is_there(pod: LocalShell, remote: PodRemote) -> None:
    greeting = remote.greet(pod.target, ADDRESS)
    assert (greeting.pod_id, greeting.host_key, greeting.epoch) == (POD_ID, "SHA256:test", 1)
    assert abs(greeting.clock - time.time()) < 5 and greeting.container and greeting.anchor_seq is None
    assert {"bash", "tail"} <= set(greeting.tools)
    assert (pod.folder / "epoch-1").is_dir()
    assert remote.greet(pod.target, ADDRESS).container == greeting.container


def test_the_first_process_counts_and_not_the_session(pod: LocalShell, remote: PodRemote) -> None:
    pod.start_container()
    first = remote.greet(pod.target, ADDRESS)
    pod.env["RUNPOD_POD_ID"] = "session-says-so"
    assert remote.greet(pod.target, ADDRESS).pod_id == POD_ID
    pod.start_container({"RUNPOD_POD_ID": "another"})
    with pytest.raises(Refused) as caught:
        remote.greet(pod.target, ADDRESS)
    assert caught.value.reason == "wrong_pod"
    pod.start_container({"RUNPOD_POD_ID": POD_ID})
    assert remote.greet(pod.target, ADDRESS).container != first.container


@pytest.mark.parametrize("name", ["another", None])
def test_another_pod_is_left_untouched(name: str | None, pod: LocalShell, remote: PodRemote) -> None:
    del pod.env["RUNPOD_POD_ID"]
    pod.env |= {"RUNPOD_POD_ID": name} if name else {}
    with pytest.raises(Refused) as caught:
        remote.greet(pod.target, ADDRESS)
    assert caught.value.reason == "wrong_pod"
    assert list(pod.volume.iterdir()) == []


def test_a_newer_owner_is_respected(pod: LocalShell, remote: PodRemote) -> None:
    remote.greet(msgspec.structs.replace(pod.target, epoch=10), ADDRESS)
    with pytest.raises(Refused) as caught:
        remote.greet(msgspec.structs.replace(pod.target, epoch=9), ADDRESS)
    assert caught.value.reason == "taken_over" and "10" in str(caught.value)
    assert not (pod.folder / "epoch-9").exists()
    assert remote.greet(msgspec.structs.replace(pod.target, epoch=11), ADDRESS).epoch == 11


def test_the_anchor_of_the_latest_launch(pod: LocalShell, remote: PodRemote) -> None:
    for launch in (2, 10):
        order = LaunchOrder(
            launch, "true", str(pod.volume / "run.sh"), str(pod.volume / f"{launch}.log"), {}, launch * 7, f"z{launch}"
        )
        remote.launch(pod.target, order)
    greeting = remote.greet(pod.target, ADDRESS)
    assert (greeting.anchor_seq, greeting.anchor_z) == (70, "z10")


@pytest.mark.parametrize(
    ("answer", "count"),
    [("printf 'GPU 0: A\\nGPU 1: B\\n'", 2), ("echo 'no devices' >&2; exit 9", 0), ("exit 124", None)],
)
def test_gpus_are_counted(answer: str, count: int | None, pod: LocalShell, remote: PodRemote, tmp_path: Path) -> None:
    tool = tmp_path / "tools/nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{answer}\n")
    tool.chmod(0o755)
    pod.env["PATH"] = f"{tool.parent}:{pod.env['PATH']}"
    assert remote.greet(pod.target, ADDRESS).gpus == count


def test_a_small_tool_box_is_enough(
    tmp_path: Path, make_pod: Callable[..., LocalShell], remote_of: Callable[[LocalShell], PodRemote]
) -> None:
    with tool_folder(tmp_path / "bin", "sh", "mkdir", "mv", "date", "tr", "sed", "head", "tail", "grep", "cat") as path:
        pod = make_pod(path=path)
        greeting = remote_of(pod).greet(pod.target, ADDRESS)
        assert (greeting.pod_id, greeting.gpus, greeting.tools) == (POD_ID, None, ("tail",))
