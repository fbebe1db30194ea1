"""A volume that refuses modes, moves over a file, or locks: everything works there, and what that means is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rpd.adapters.pod.remote import PodRemote
from rpd.states.ports.job import SecretFile
from rpd.states.ports.world import Step
from tests.adapters.mount import refusing_modes
from tests.adapters.pod.local_shell import ADDRESS, POD_ID, LocalShell, until
from tests.adapters.pod.test_guards import in_front
from tests.adapters.pod.test_guards import order as orders
from tests.adapters.pod.test_launch import ended, log, order
from tests.adapters.pod.test_switch import armed_pod, cloud  # noqa: F401

Refusing = Callable[..., LocalShell]


@pytest.fixture
def refusing(tmp_path: Path) -> Refusing:
    """Makes these tools refuse on the volume of a pod, as the kernel would."""

    def refuse(pod: LocalShell, *what: str) -> LocalShell:
        there = f"case $last in {pod.volume}/*)"
        no = 'echo "operation not permitted" >&2; exit 1'
        texts = {
            "chmod": f'for last; do :; done\n{there} {no} ;; esac\nexec {shutil.which("chmod")} "$@"',
            "mv": f'for last; do :; done\n{there} [ ! -f "$last" ] || {{ {no}; }} ;; esac\n'
            f'exec {shutil.which("mv")} "$@"',
            "flock": "for last; do :; done\n"
            f"case $(readlink /proc/self/fd/$last) in {pod.volume}/*) exit 65 ;; esac\n"
            f'exec {shutil.which("flock")} "$@"',
        }
        folder = tmp_path / f"tools-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        in_front(pod, folder, **{name: texts[name] for name in what})
        return pod

    return refuse


def lives(pod: LocalShell, remote: PodRemote) -> None:
    """Steps, secrets, and a job launched twice over the same script."""
    for code in (4, 0):
        done = remote.run_step(pod.target, Step(f"setup-{code}", "setup 1", f"exit {code}", 20.0))
        assert done.exit_code == code
    assert remote.run_step(pod.target, Step("setup-4", "setup 1", "exit 5", 20.0, round=2)).exit_code == 5
    secret = SecretFile("n", str(pod.volume / "key"), env=("A",))
    for content in (b"one", b"two"):
        remote._secret = lambda file, content=content: content  # type: ignore[misc]
        remote.place_secrets(pod.target, (secret,))
        assert (pod.volume / "key").read_bytes() == content
    remote.remove_secrets(pod.target, (secret,))
    for launch in (1, 2):
        remote.launch(pod.target, order(pod, f"echo {launch}; exit 3", launch=launch))
        until(lambda launch=launch: (pod.folder / f"jobs/{launch}/rc").is_file())
    claim = ended(remote, pod)
    assert (claim.phase, claim.exit_code) == ("ended", 3), claim
    assert log(pod) == b"2\n"


@pytest.mark.parametrize("what", [("chmod",), ("mv",), ("flock",), ("chmod", "mv", "flock")])
def test_a_whole_life_on_it(pod: LocalShell, remote: PodRemote, refusing: Refusing, what: tuple[str, ...]) -> None:
    refusing(pod, *what)
    greeting = remote.greet(pod.target, ADDRESS)
    assert greeting.lacks == tuple({"mv": "rename"}.get(each, each) for each in what)
    lives(pod, remote)
    assert not list(pod.folder.glob(".try*"))


def test_a_good_volume_lacks_nothing(pod: LocalShell, remote: PodRemote) -> None:
    assert remote.greet(pod.target, ADDRESS).lacks == ()


def test_orders_that_cannot_be_replaced_in_one_piece_lie_in_memory(
    armed_pod: LocalShell,  # noqa: F811
    remote: PodRemote,
    refusing: Refusing,
) -> None:
    """Read in mid-write they would be none, and the limit of the start command would hold."""
    refusing(armed_pod, "mv")
    for generation in (1, 2):
        assert remote.arm(armed_pod.target, orders(generation)).generation == generation
    assert not list(armed_pod.volume.glob(".rpd/pod-*/orders"))
    armed_pod.kill_all()
    shutil.rmtree(f"/dev/shm/rpd/pod-{POD_ID}")


def test_a_whole_life_on_a_mount_that_refuses_modes(
    make_pod: Callable[..., LocalShell], remote_of: Callable[[LocalShell], PodRemote], tmp_path: Path
) -> None:
    with refusing_modes(tmp_path) as place:
        pod = make_pod(place)
        remote = remote_of(pod)
        assert remote.greet(pod.target, ADDRESS).lacks == ("chmod",)
        lives(pod, remote)
        until(lambda: not pod.processes())
