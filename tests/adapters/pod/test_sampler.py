"""What describes a pod at both ends of its job: there before the job starts, and before anybody collects."""

from __future__ import annotations

import importlib.resources
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rpd.adapters.pod.remote import PodRemote
from rpd.states.ports.world import LaunchOrder
from tests.adapters.pod.local_shell import SHELLS, LocalShell, shell_at, until
from tests.adapters.pod.test_launch import ended, order, ref

ALL = ("nvidia_smi", "dmesg", "remote_env")
BEFORE = ["dmesg_tail.txt", "metrics.jsonl", "nvidia_smi_start.txt", "pip_freeze.txt", "remote_env.txt"]


def sampled(pod: LocalShell, script: str) -> LaunchOrder:
    return msgspec.structs.replace(order(pod, script), sample_seconds=600, captures=ALL)


@pytest.fixture
def tools(pod: LocalShell, tmp_path: Path) -> Path:
    """Programs of this machine that a test replaces."""
    folder = tmp_path / "tools"
    folder.mkdir()
    pod.env["PATH"] = f"{folder}:{pod.env['PATH']}"
    place(folder, "nvidia-smi", "echo GPU-0")
    place(folder, "dmesg", "echo kernel")
    place(folder, "python3", f'case $* in *freeze*) echo torch==2.4 ;; *) exec {sys.executable} "$@" ;; esac')
    return folder


def place(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def there(pod: LocalShell) -> list[str]:
    return sorted(path.name for path in (pod.folder / "telemetry").iterdir())


def rows(pod: LocalShell) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pod.folder / "telemetry/metrics.jsonl").read_text().splitlines()]


def test_a_job_that_crashes_at_once_leaves_everything(pod: LocalShell, remote: PodRemote, tools: Path) -> None:
    place(tools, "nvidia-smi", "sleep 0.3; echo GPU-0")
    remote.launch(pod.target, sampled(pod, f"ls {pod.folder}/telemetry >{pod.volume}/before; exit 3"))
    assert ended(remote, pod).exit_code == 3
    assert there(pod) == sorted([*BEFORE, "nvidia_smi_end.txt"]), "nobody has waited for the sampler"
    assert (pod.folder / "telemetry/nvidia_smi_end.txt").read_text() == "GPU-0\n"
    assert (pod.volume / "before").read_text().split() == BEFORE
    assert len(rows(pod)) == 2


def test_who_was_told_to_stop_before_it_began_does_not_begin(pod: LocalShell, remote: PodRemote, tools: Path) -> None:
    place(tools, "nvidia-smi", f"until [ -e {pod.volume}/go ]; do sleep 0.05; done")
    (pod.volume / ".rpd").mkdir()
    started = pod.volume / "started"
    script = sampled(pod, f"touch {started}")
    with ThreadPoolExecutor(2) as pool:
        launched = pool.submit(remote.launch, pod.target, script)
        until(lambda: (pod.folder / "jobs/1/pid").exists())
        stopped = pool.submit(remote.stop_job, pod.target, ref(pod), 1.0)
        until(lambda: (pod.folder / "jobs/1/stopped").exists())
        (pod.volume / "go").touch()
        assert stopped.result().exit_code == 143 and launched.result().phase in ("running", "ended")
    assert not started.exists()


PROCESS = "process {pid} S 1 {pid} {pid} 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {start}\n"
"""A line of /proc/PID/stat, as the sampler reads it."""
SAMPLES = """
rpd_telemetry=$FOLDER rpd_launch=1 rpd_before='' rpd_line_end='
'
rpd_values() { cat "$FOLDER/$moment"; }
for moment in $MOMENTS; do rpd_sample; done
"""


def cores(shell: str, folder: Path, *moments: list[tuple[int, int, int]]) -> list[float | None]:
    """What the sampler makes of the processes there are at each moment, ten seconds apart: (pid, start, ticks)."""
    for index, processes in enumerate(moments):
        lines = [PROCESS.format(pid=pid, start=start, ticks=ticks) for pid, start, ticks in processes]
        (folder / str(index)).write_text(f"uptime {100 + 10 * index}.00 5.00\n{''.join(lines)}")
    here = importlib.resources.files("rpd.adapters.pod")
    script = "".join(here.joinpath(name).read_text() for name in ("common.sh", "sampler.sh")) + SAMPLES
    names = {"FOLDER": str(folder), "MOMENTS": " ".join(map(str, range(len(moments))))}
    subprocess.run([shell, "-c", script], env={**os.environ, **names}, check=True, timeout=60)
    return [json.loads(line)["cpu_cores"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("shell", SHELLS)
def test_what_the_processor_did_is_known_when_a_process_is_gone(shell: str, tmp_path: Path) -> None:
    job, watch, reused = (50, 7, 1000), (60, 8, 30), (60, 9, 5)
    sh = shell_at(shell, tmp_path)
    was = cores(sh, tmp_path, [job, watch], [job], [job, reused], [(50, 7, 1600), reused])
    assert was == [None, 0.0, 0.005, 0.6], "a process that ends and leaves its time to nobody hides nothing"
    (tmp_path / "metrics.jsonl").unlink()
    assert cores(sh, tmp_path, [job, watch], [(50, 7, 1030)]) == [None, 0.0], "inherited"
