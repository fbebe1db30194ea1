"""The marks of steps in a job's log: each is written down once, whatever happens to link, process or log."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.forensics.job_phases import steps_of
from rpd.adapters.pod.remote import PodRemote
from rpd.adapters.pod.step_log import StepLog
from rpd.engine.errors import Unavailable
from rpd.states.ports.world import JobRef, LaunchOrder
from tests.adapters.pod.local_shell import LocalShell, until


def rows(log: Path) -> list[dict[str, Any]]:
    path = log.with_name("steps.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def told(log: Path) -> list[tuple[str, str]]:
    return [(row["event"].removeprefix("remote_step_"), row["name"]) for row in rows(log)]


def feed(steps: StepLog, log: Path, *pieces: bytes) -> None:
    """Bytes arrive: they are in the file before they are told."""
    for piece in pieces:
        with log.open("ab") as file:
            file.write(piece)
        steps.feed(piece, log.stat().st_size, is_backlog=False)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The local log."""
    return tmp_path / "run.log"


@pytest.mark.row(80)
def test_a_mark_in_pieces_is_one(log: Path) -> None:
    text = (
        b"x __RUNPOD_STEP_START__a__b__ y\n" + b"\xff" * 1000 + b"__RUNPOD_STEP_DONE__a__b__\n__RUNPOD_STEP_START__ __"
    )
    steps = StepLog(log, 1, lambda: 5.0, None)
    feed(steps, log, *(text[at : at + 1] for at in range(len(text))))
    assert told(log) == [("started", "a__b"), ("completed", "a__b")]
    assert [row["offset"] for row in rows(log)] == [2, text.index(b"__RUNPOD_STEP_DONE")]


@pytest.mark.row(80)
@pytest.mark.parametrize("cut", range(0, 100, 7))
def test_a_process_that_died_anywhere_loses_and_repeats_nothing(log: Path, cut: int) -> None:
    text = b"__RUNPOD_STEP_START__a__\nwork\n__RUNPOD_STEP_DONE__a__\n__RUNPOD_STEP_START__b__\n"
    feed(StepLog(log, 1, lambda: 5.0, 1.0), log, text[: min(cut, len(text))])
    with log.open("ab") as file:
        file.write(text[cut : cut + 20])  # copied, and the process died before it told anybody
    with log.with_name("steps.jsonl").open("ab") as file:
        file.write(b'{"launch":1,"offs')  # or half way through
    again = StepLog(log, 1, lambda: 9.0, None)
    feed(again, log, text[cut + 20 :])
    assert told(log) == [("started", "a"), ("completed", "a"), ("started", "b")]
    StepLog(log, 1, lambda: 9.0, None)
    assert len(rows(log)) == 3


@pytest.mark.row(80)
def test_nothing_is_lost_or_repeated_across_lost_links(pod: LocalShell, remote: PodRemote, tmp_path: Path) -> None:
    script = (
        "i=0; while [ $i -lt 3000 ]; do echo __RUNPOD_STEP_START__s${i}__; echo __RUNPOD_STEP_DONE__s${i}__; "
        "i=$((i+1)); done; printf __RUNPOD_STEP_START__last__"
    )
    remote_log, copy = pod.volume / "run.log", tmp_path / "here" / "run.log"
    order = LaunchOrder(1, script, str(pod.volume / "run.sh"), str(remote_log), {}, 1, "z")
    remote.launch(pod.target, order)
    cuts, phase = 0, "running"
    while phase != "ended":
        timer = threading.Timer(0.02 + 0.02 * cuts, setattr, (pod, "is_cut", True))
        timer.start()
        try:
            phase = remote.watch(pod.target, JobRef(1, str(remote_log)), str(copy), 0.4).phase
        except Unavailable:
            cuts += 1
        finally:
            timer.cancel()
            timer.join()
    names = [each for i in range(3000) for each in (("started", f"s{i}"), ("completed", f"s{i}"))]
    assert cuts >= 1 and told(copy) == [*names, ("started", "last")]


@pytest.mark.row(80)
def test_what_was_printed_while_nobody_followed_says_so(
    pod: LocalShell, remote_of: Callable[[LocalShell], PodRemote], tmp_path: Path
) -> None:
    remote_log, copy = pod.volume / "run.log", tmp_path / "here" / "run.log"
    script = (
        "echo __RUNPOD_STEP_START__a__; until [ -e go ]; do sleep 0.05; done; echo __RUNPOD_STEP_DONE__a__; sleep 60"
    )
    job = JobRef(1, str(remote_log))
    first, second = remote_of(pod), remote_of(pod)
    first.launch(pod.target, LaunchOrder(1, script, str(pod.volume / "run.sh"), str(remote_log), {}, 1, "z"))
    until(lambda: b"START" in remote_log.read_bytes())
    first.watch(pod.target, job, str(copy), 0.3)
    os.utime(copy, (copy.stat().st_mtime - 100, copy.stat().st_mtime - 100))  # it is long since anything came
    (pod.volume / "go").touch()
    until(lambda: b"DONE" in remote_log.read_bytes())
    second.watch(pod.target, job, str(copy), 0.3)
    begun, ended = rows(copy)
    assert begun["within_seconds"] < 20 and ended["within_seconds"] >= 100
    (step,) = steps_of(rows(copy))
    assert step.uncertain_seconds is not None and step.uncertain_seconds >= 100 and "about" in step.words()
    second.stop_job(pod.target, job, 1.0)


@pytest.mark.row(80)
def test_a_replaced_log_is_another_one(log: Path) -> None:
    steps = StepLog(log, 1, lambda: 5.0, None)
    feed(steps, log, b"__RUNPOD_STEP_START__a__\n__RUNPOD_STEP_DO")
    with log.open("ab") as file:
        file.write(b"\n--- log restarted ---\n")
    feed(steps, log, b"NE__a__\n__RUNPOD_STEP_DONE__a__\n")
    assert told(log) == [("started", "a"), ("completed", "a")]


@pytest.mark.row(80)
def test_no_room_for_the_steps_costs_no_more_than_them(log: Path) -> None:
    log.with_name("steps.jsonl").mkdir()
    steps = StepLog(log, 1, lambda: 5.0, None)
    feed(steps, log, b"__RUNPOD_STEP_START__a__\n")
    log.with_name("steps.jsonl").rmdir()
    feed(steps, log, b"more\n")
    assert told(log) == [("started", "a")]


@pytest.mark.row(80)
def test_steps_are_pairs_and_traces_no_second_beginning(log: Path) -> None:
    text = (
        b"+ echo __RUNPOD_STEP_START__a__\n__RUNPOD_STEP_START__a__\n+ echo __RUNPOD_STEP_DONE__a__\n"
        b"__RUNPOD_STEP_DONE__a__\n__RUNPOD_STEP_START__a__\n__RUNPOD_STEP_DONE__b__\n"
    )
    feed(StepLog(log, 2, lambda: 5.0, None), log, text)
    found = [(step.name, step.launch, step.start is None, step.end is None) for step in steps_of(rows(log))]
    assert found == [("a", 2, False, False), ("a", 2, False, True), ("b", 2, True, False)]
