"""One owner at a time acts in a pod: the highest epoch, and of two with the same epoch the one that made its mark."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rpd.adapters.pod.remote import PodRemote
from rpd.engine.errors import Refused
from rpd.states.ports.world import JobRef, LaunchOrder, Step, SwitchOrder, Target
from tests.adapters.pod.local_shell import ADDRESS, LocalShell, tool_folder

FIRST, SECOND = "a" * 32, "b" * 32


def owned(pod: LocalShell, owner: str = FIRST, epoch: int = 1) -> Target:
    return msgspec.structs.replace(pod.target, owner=owner, epoch=epoch)


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.reason == "taken_over"
    return caught.value.message


def test_a_second_owner_of_the_same_epoch_is_refused(pod: LocalShell, remote: PodRemote) -> None:
    assert remote.greet(owned(pod), ADDRESS).epoch == 1
    assert "epoch 1" in refusal(lambda: remote.greet(owned(pod, SECOND), ADDRESS))
    assert remote.greet(owned(pod, SECOND, epoch=2), ADDRESS).epoch == 2
    assert "epoch 2" in refusal(lambda: remote.greet(owned(pod), ADDRESS))


def test_the_same_owner_may_come_again_after_a_restart_too(pod: LocalShell, remote: PodRemote) -> None:
    pod.start_container()
    first = remote.greet(owned(pod), ADDRESS)
    assert remote.greet(owned(pod), ADDRESS).container == first.container
    pod.start_container({"RUNPOD_POD_ID": first.pod_id})
    assert remote.greet(owned(pod), ADDRESS).container != first.container
    assert [entry.name for entry in pod.folder.glob("epoch-*")] == ["epoch-1"]


def test_a_mark_without_an_owner_keeps_nobody_out(pod: LocalShell, remote: PodRemote) -> None:
    (pod.folder / "epoch-1").mkdir(parents=True)
    for owner in (FIRST, SECOND):
        assert remote.greet(owned(pod, owner), ADDRESS).epoch == 1


def test_of_many_at_once_exactly_one_wins(pod: LocalShell, remote: PodRemote) -> None:
    def greet(number: int) -> bool:
        try:
            return remote.greet(owned(pod, f"{number:032x}"), ADDRESS).epoch == 1
        except Refused as error:
            assert error.reason == "taken_over"
            return False

    with ThreadPoolExecutor(8) as pool:
        for round_ in range(3):
            winners = [number for number, won in enumerate(pool.map(greet, range(8))) if won]
            assert len(winners) == 1, round_
            assert (pod.folder / "epoch-1/owner").read_text() == f"{winners[0]:032x}\n"


EFFECTS = ("launch", "arm", "stop_job", "run_step", "read_claim", "watch")


def act(effect: str, pod: LocalShell, remote: PodRemote, target: Target, log: Path) -> Any:
    job = JobRef(1, str(pod.volume / "run.log"))
    orders: dict[str, Callable[[], Any]] = {
        "launch": lambda: remote.launch(
            target, LaunchOrder(1, "true", str(pod.volume / "run.sh"), job.log_path, {}, 1, "z")
        ),
        "arm": lambda: remote.arm(target, SwitchOrder(1, 4e9, "stop", 600.0, 1)),
        "stop_job": lambda: remote.stop_job(target, job, 1.0),
        "run_step": lambda: remote.run_step(target, Step("setup-0", "setup 1", "true", 5.0, {})),
        "read_claim": lambda: remote.read_claim(target, job),
        "watch": lambda: remote.watch(target, job, str(log), 0.1),
    }
    return orders[effect]()


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("rival", [(SECOND, 1), (SECOND, 10)], ids=["same-epoch", "newer"])
def test_who_was_taken_over_acts_no_more(
    effect: str, rival: tuple[str, int], pod: LocalShell, remote: PodRemote, tmp_path: Path
) -> None:
    remote.greet(owned(pod, *rival), ADDRESS)
    before = sorted(path.name for path in pod.folder.rglob("*"))
    refusal(lambda: act(effect, pod, remote, owned(pod), tmp_path / "log"))
    assert sorted(path.name for path in pod.folder.rglob("*")) == before


@pytest.mark.parametrize("effect", [effect for effect in EFFECTS if effect != "arm"])
def test_who_acts_without_a_greeting_marks_its_epoch(
    effect: str, pod: LocalShell, remote: PodRemote, tmp_path: Path
) -> None:
    """A process that goes on in the middle of a run needs no greeting; one that only reads takes nothing over."""
    remote.greet(owned(pod), ADDRESS)
    act(effect, pod, remote, owned(pod, SECOND, 2), tmp_path / "log")
    if effect == "read_claim":
        assert remote.greet(owned(pod), ADDRESS).epoch == 1
    else:
        refusal(lambda: remote.greet(owned(pod), ADDRESS))


def test_no_rm_is_needed(
    tmp_path: Path, make_pod: Callable[..., LocalShell], remote_of: Callable[[LocalShell], PodRemote]
) -> None:
    with tool_folder(tmp_path / "bin", "sh", "mkdir", "mv", "date", "tr", "sed", "head", "tail", "grep", "cat") as path:
        pod = make_pod(path=path)
        assert remote_of(pod).greet(owned(pod), ADDRESS).epoch == 1
        refusal(lambda: remote_of(pod).greet(owned(pod, SECOND), ADDRESS))
        assert remote_of(pod).greet(owned(pod), ADDRESS).epoch == 1, "the first one is the owner still"
