"""Every script that goes to a pod, put together as it is sent: each parses and is clean, and works in every `sh`."""

from __future__ import annotations

import contextlib
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.pod import scripts
from rpd.adapters.pod.remote import PodRemote
from rpd.adapters.transfer.entry import Entry
from rpd.adapters.transfer.links import follow
from rpd.adapters.transfer.remote_tree import hash_files, list_tree
from rpd.adapters.transfer.rest import fetch_rest
from rpd.engine.errors import RpdError
from rpd.states.ports.job import SecretFile
from rpd.states.ports.world import LaunchOrder, Pull, Step, SwitchOrder, Target
from tests.adapters.pod.local_shell import ADDRESS, SHELLS, LocalShell, shell_at
from tests.adapters.pod.test_launch import ended, log, order, ref, until_told
from tests.fakes.link import Link, Said

TARGET = Target("pod1", "rpd-x-a1", "run-1", 1, "/workspace/.rpd/run-1", owner="o")
LAUNCH = LaunchOrder(1, "echo hi\n", "/w/run.sh", "/w/run.log", {"A": "b"}, 3, "z", sample_seconds=30, captures=("a",))
STEP = Step("setup-1-abc", "setup 1", "true", 5.0, {"A": "b"})
PYTHON = Step("python", "python", "uv", 5.0, python="3.12", project="/workspace/src")
PULL = Pull("l", "/w/o", "s3://b/x", True, env={"A": "b"}, source_files=("/w/keys",))
SECRET = SecretFile("n", "/w/k", env=("A",))


class Begun:
    """A file of which five bytes are here."""

    begun, sha256 = 5, "0" * 64

    def close(self) -> None:
        """Nothing came."""

    abandon = close


def sent(act: Callable[[Any], object]) -> str:
    """The first command that goes to the pod."""
    link = Link(Said())
    with contextlib.suppress(RpdError):
        act(link)
    return link.commands[0]


MADE: dict[str, Callable[[], str]] = {
    "greet_script": lambda: scripts.greet_script(TARGET),
    "claim_script": lambda: scripts.claim_script(TARGET, LAUNCH.ref),
    "launch_script": lambda: scripts.launch_script(TARGET, LAUNCH),
    "follow_script": lambda: scripts.follow_script(TARGET, LAUNCH.ref, 0),
    "samples_script": lambda: scripts.samples_script(TARGET),
    "stop_script": lambda: scripts.stop_script(TARGET, LAUNCH.ref, 1.0),
    "heartbeat_script": lambda: scripts.heartbeat_script(TARGET),
    "attend_script": lambda: scripts.attend_script(TARGET),
    "step_script": lambda: scripts.step_script(TARGET, STEP, may_start=True, patience_seconds=2),
    "step_script of a Python": lambda: scripts.step_script(TARGET, PYTHON, may_start=True, patience_seconds=2),
    "place_script": lambda: scripts.place_script(TARGET, [SECRET], [b"x"]),
    "unplace_script": lambda: scripts.unplace_script(TARGET, [SECRET]),
    "take_lease_script": lambda: scripts.take_lease_script(TARGET, ("/src", ""), ("k.1",)),
    "drop_lease_script": lambda: scripts.drop_lease_script(TARGET),
    "bucket_script": lambda: scripts.bucket_script(
        TARGET, PULL, root="/w/o", place="s3://b/x", single="", names=["a"], is_all=True
    ),
    "stop_step_script": lambda: scripts.stop_step_script(TARGET, STEP),
    "arm_script": lambda: scripts.arm_script(TARGET, SwitchOrder(1, 1.0, "stop", 1.0, 1), 0.0),
    "a listing": lambda: sent(lambda link: list_tree(link, "/w")),
    "a listing of a pattern": lambda: sent(lambda link: list_tree(link, "/w/a b*/[cd]?", is_pattern=True)),
    "hashes": lambda: sent(lambda link: hash_files(link, "/w", ["a"], 1)),
    "hashes of odd names": lambda: sent(lambda link: hash_files(link, "/w", ["a\nb"], 1)),
    "hashes apart": lambda: sent(lambda link: hash_files(link, "/w", ["a"], 1, token="t")),
    "links": lambda: sent(lambda link: follow(link, "/w", [Entry("l", "link", 0o777)], most_bytes=1, private=("/k",))),
    "the rest of a file": lambda: sent(lambda link: fetch_rest(link, "/w", Entry("a", "file", 0o644, 9), Begun())),
}
LEFT_OUT = {
    "SC2034": "parts that several scripts share set what only some of them read",
    "SC1091": "a file of the user's is in the pod, not here",
    "SC2015": "A && B || C is meant so",
}
SHORT = {
    "SC1007": "empty words in a row: the start command has to be short",
    "SC2086": "numbers and words of its own without quotes, for the same reason",
    "SC1083": "braces of GraphQL",
}
OF_FILES = {
    "SC2016": "what another shell runs is quoted whole",
    "SC1007": "an option that is left empty",
    "SC2086": "the same option, which is no word then",
    "SC2026": "the fixed parts of a pattern are quoted, the rest is for the shell",
    "SC2043": "a list of one",
}
_INNER = re.compile(r"^(rpd_\w+_text)\(\) \{\ncat <<'(RPD_\w+)'\n(.*?)^\2\n\}$", re.MULTILINE | re.DOTALL)


def texts() -> Iterator[tuple[str, str]]:
    """Each script, and each that it writes to a file there."""
    for name, make in MADE.items():
        text = make()
        yield name, text
        yield from ((f"{name}: {found[1]}", found[3]) for found in _INNER.finditer(text))


def test_none_is_left_out() -> None:
    made = {name for name, _ in inspect.getmembers(scripts, inspect.isfunction) if name.endswith("_script")}
    assert made <= set(MADE)


def shellcheck() -> str:
    """The one of the development group, else this machine's."""
    found = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")
    if found is None:
        pytest.skip("there is no shellcheck for this machine")
    return found


@pytest.mark.parametrize(("name", "text"), [pytest.param(*each, id=each[0]) for each in texts()])
def test_it_parses_and_is_clean(name: str, text: str) -> None:
    is_made_by_scripts = "_script" in name
    codes = ",".join([*LEFT_OUT, *(SHORT if name.startswith("arm_script") else () if is_made_by_scripts else OF_FILES)])
    words = [shellcheck(), "--shell=sh", "--norc", "--format=gcc", f"--exclude={codes}", "-"]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", SHELLS)
def test_a_whole_life_in_every_shell(
    make_pod: Callable[..., LocalShell], remote_of: Callable[[LocalShell], PodRemote], tmp_path: Path, name: str
) -> None:
    """Also what the scripts start by the name `sh`. A busybox that brings its own tools prefers them."""
    shell = shell_at(name, tmp_path)
    pod = make_pod(sh=shell)
    pod.env["PATH"] = f"{Path(shell).parent}:{pod.env['PATH']}"
    pod.start_container({"FROM_CONTAINER": "c  d\ne"})
    remote = remote_of(pod)
    remote.greet(pod.target, ADDRESS)
    assert remote.run_step(pod.target, Step("setup-0", "setup 1", "echo a; exit 4", 20.0)).exit_code == 4
    text = 'echo "$FROM_CONTAINER|$MINE|$RPD_LAUNCH"; exit 3'
    remote.launch(pod.target, order(pod, text, MINE="a'b"))
    claim = ended(remote, pod)
    assert (claim.phase, claim.exit_code) == ("ended", 3), claim
    assert log(pod) == b"c  d\ne|a'b|1\n"
    assert remote.launch(pod.target, order(pod, text, MINE="a'b")).exit_code == 3
    assert log(pod) == b"c  d\ne|a'b|1\n", "it was started once"
    remote.launch(pod.target, order(pod, until_told(pod), launch=2))
    claim = remote.watch(pod.target, ref(pod, 2), str(tmp_path / "run-2.log"), 0.3)
    assert claim.phase == "running", claim
    claim = remote.stop_job(pod.target, ref(pod, 2), 2.0)
    assert (claim.phase, claim.exit_code) == ("ended", 143), claim
