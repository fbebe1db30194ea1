"""The weak points of the tools that people use today, by number; each has tests that show what is right instead, which
bear `@pytest.mark.weak_point(N)`. Those that had none elsewhere are here."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.harness import GATED, CommandLine, artifact, config
from tests.scenarios.live import Live, eventually

TESTS = Path(__file__).parents[1]

WEAK_POINTS = {
    1: "Ctrl-C ends a run as interrupted: results come back, the pod is kept, and it is no success",
    2: "a signal or the death of this process leaves no pod without a bound: the switch in the pod, gc, resume",
    3: "what was ordered is on disk before the order leaves",
    4: "an answer that cannot be read leaks no pod",
    5: "a run folder that cannot be made leaks no pod",
    6: "stop and delete are repeated until proved; unproved is exit code 8",
    7: "the next run does not forget the pod of one that crashed",
    8: "runs that share a state file leave each other's pointer and pod alone",
    9: "a paused pod is orphaned by nothing, deleted by no stock and used by one run alone",
    10: "fetching removes nothing here that was not asked for, and never after a failure",
    11: "releasing many keeps to what is ours",
    12: "pods that run without an owner are shown",
    13: "a cap is a cap: real rates, all GPUs, unknown prices are too dear, and spot is refused",
    14: "a create that fails is followed by the next candidate",
    15: "a stopped disk costs $0.20 per GB and month",
    16: "the exit code ends a job, and so does the end of its processes",
    17: "ordinary words fail nobody, and a marker makes no success of a failure",
    18: "an empty list of failure markers is one",
    19: "a slow link ends no job, and a dead pod is not waited for",
    20: "any body arrives as it is",
    21: "braces, names and secrets are checked before anything is rented",
    22: "values of secrets are quoted and exported",
    23: "all ports are there, and 22/tcp among them",
    24: "a file is fetched as a file",
    25: "what a stop wipes is made again by setup",
    26: "remote_env holds for the job",
    27: "a journal has one owner, and run ids do not collide",
    28: "what is written is whole or not there",
    29: "no command, value or secret stands in a list of processes or in what is kept",
    30: "answers are read as data and by code; no tool's text decides",
    31: "every line is told once",
    32: "a run that rented nothing leaves its record",
    33: "the pages are held to the program",
}
"""What is right, by the number of the weak point."""


def marked() -> Iterator[tuple[int, str]]:
    """Every number that a test bears, with the test's name; read from the sources, so that a run of one folder sees
    the others' too."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for each in node.decorator_list:
                    if isinstance(each, ast.Call) and ast.unparse(each.func) == "pytest.mark.weak_point":
                        yield from ((ast.literal_eval(number), f"{path.name}::{node.name}") for number in each.args)


def test_every_weak_point_has_a_test() -> None:
    shown: dict[int, list[str]] = {}
    for number, test in marked():
        shown.setdefault(number, []).append(test)
    assert list(WEAK_POINTS) == list(range(1, 34))
    assert sorted(shown) == list(WEAK_POINTS), "one number without a test, or a test of a number that there is not"


def let_go(cli: CommandLine, pod: dict[str, Any]) -> None:
    """Let the gated job of this pod end."""
    (cli.sandbox_home / "pods" / pod["id"] / "volume" / "go").touch()


@pytest.mark.slow
@pytest.mark.weak_point(8, 27, 31)
@pytest.mark.row(14, 106, 107)
def test_two_runs_with_one_state_file_leave_each_other_alone(cli: CommandLine) -> None:
    lives: dict[str, Live] = {}
    for name in ("one", "two"):
        cli.job(config(GATED, name=name, state_file="current.json"), f"{name}.yaml")
        lives[name] = cli.start("run", f"{name}.yaml", "--sandbox")
    for live in lives.values():
        live.until_text("begun")
    pointer = cli.folder / "current.json"
    later = json.loads(pointer.read_text())["pod_id"]
    pods = sorted(cli.truth()["pods"], key=lambda pod: pod["id"] == later)
    assert len(pods) == 2
    for pod in pods:
        assert json.loads(pointer.read_text())["pod_id"] == later, "the end of the other has not touched it"
        let_go(cli, pod)
        live = lives["one" if pod["name"].startswith("rpd-one-") else "two"]
        assert live.end() == 0, live.text
        assert live.text.count("begun") == 1
    assert not pointer.exists()
    cli.judge("TERMINATED", "TERMINATED", starts=2)


@pytest.mark.slow
@pytest.mark.weak_point(10)
@pytest.mark.row(92)
def test_a_failed_run_removes_no_results_of_an_earlier_one(cli: CommandLine) -> None:
    back = artifact(local_path="results", delete=True)
    assert cli.run(config("mkdir -p /workspace/out; echo 1 > /workspace/out/one", artifacts=back)).returncode == 0
    assert cli.run(config("mkdir -p /workspace/out; exit 3", artifacts=back)).returncode == 5
    assert (cli.folder / "results/one").read_text() == "1\n"
    assert cli.run(config("mkdir -p /workspace/out; echo 2 > /workspace/out/two", artifacts=back)).returncode == 0
    assert [path.name for path in (cli.folder / "results").iterdir()] == ["two"], "it was asked for"


@pytest.mark.slow
@pytest.mark.weak_point(16, 17)
@pytest.mark.row(75, 76)
@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ({"body": "set -x; : '[job] DONE'; cat /workspace/missing", "success_marker": "[job] DONE"}, "job_failed"),
        (
            {"body": "echo Traceback; echo DONE", "success_marker": "DONE", "failure_markers": ["Traceback"]},
            "failure_marker",
        ),
    ],
    ids=["exit-code", "marker"],
)
def test_a_marker_makes_no_success_of_a_failure(cli: CommandLine, run: dict[str, Any], reason: str) -> None:
    done = cli.run(config(run=run))
    assert done.returncode == 5, done.stderr
    assert cli.inspect()["reason"] == reason
    cli.judge("EXITED", starts=1)


@pytest.mark.slow
@pytest.mark.weak_point(25)
@pytest.mark.row(61)
def test_what_a_stop_wipes_is_made_again_and_what_is_on_the_volume_stays(cli: CommandLine) -> None:
    setup = "[ -e /root/tool ] || echo made >> /workspace/made; touch /root/tool; touch /workspace/kept"
    job = config(
        "set -e; test -e /root/tool; mkdir -p /workspace/out; cp /workspace/made /workspace/kept /workspace/out",
        setup=[{"command": setup}],
        artifacts=artifact(),
        lifecycle={"on_success": "recycle"},
    )
    for count in (1, 2):
        done = cli.run(job)
        assert done.returncode == 0, done.stderr
        assert cli.result("out/made") == "made\n" * count
    cli.judge("EXITED", starts=2)


@pytest.mark.slow
@pytest.mark.weak_point(29)
@pytest.mark.row(72)
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at lists of processes in /proc")
def test_a_body_and_its_values_stand_in_no_list_of_processes(cli: CommandLine) -> None:
    words = b"a-word-of-the-body"
    body = f"echo {words.decode()} > /dev/null\n{GATED}"
    live = cli.begin(config(body, remote_env={"exports": {"VALUE": "a-word-of-the-body-too"}}))
    live.until_text("begun")
    assert not [line for line in command_lines() if words in line]
    cli.go()
    assert live.end() == 0, live.text
    assert words.decode() not in live.text


def command_lines() -> Iterator[bytes]:
    """Of every process of this machine, those in pods among them."""
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        try:
            yield Path(f"/proc/{name}/cmdline").read_bytes()
        except OSError:
            continue


@pytest.mark.slow
@pytest.mark.weak_point(5)
@pytest.mark.row(123)
def test_a_run_folder_that_cannot_be_made_rents_nothing(cli: CommandLine) -> None:
    (cli.folder / "artifacts").write_text("in the way\n")
    done = cli.run(config())
    assert done.returncode == 2 and "artifacts is a file" in done.stderr, done.stderr
    assert cli.statuses() == []


@pytest.mark.slow
@pytest.mark.weak_point(7)
@pytest.mark.row(86, 102)
def test_the_next_run_names_the_pod_that_a_dead_one_left(cli: CommandLine) -> None:
    live = cli.begin(config(GATED, state_file="current.json"))
    live.until_text("begun")
    live.kill()
    pod = cli.live_pod()
    pointer = (cli.folder / "current.json").read_text()
    done = cli.run()
    assert done.returncode == 2 and f"rpd resume {cli.run_id}" in done.stderr, done.stderr
    assert (cli.folder / "current.json").read_text() == pointer
    let_go(cli, pod)
    resumed = cli.rpd("resume")
    assert resumed.returncode == 0, resumed.stderr
    eventually(lambda: cli.statuses() == ["TERMINATED"])
    assert cli.starts() == 1
