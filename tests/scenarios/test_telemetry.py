"""The sampler in the pod: what it records, that it ends with the job, and the idle job that it ends."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests.scenarios.harness import CommandLine, artifact, config

SAMPLED = {"sample_interval_sec": 5, "capture_remote_env": True}


@pytest.mark.slow
@pytest.mark.row(119, 120)
def test_a_job_is_sampled_and_its_pod_described(cli: CommandLine) -> None:
    body = "mkdir -p /workspace/out; export MINE=secretish; sleep 7; ps -e -o args > /workspace/out/ps.txt || :"
    done = cli.run(
        config(body, telemetry=SAMPLED, artifacts=artifact(), remote_env={"exports": {"MINE": "hidden-value"}})
    )
    assert done.returncode == 0, done.stderr
    folder = cli.run_folder() / "telemetry"
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    first, second, *_ = rows  # one at the beginning, and one five seconds later; a slow machine may have time for more
    assert [gpu["index"] for gpu in second["gpus"]] == [0]
    assert second["gpus"][0]["util_pct"] == 0
    assert second["gpus"][0]["mem_total_mb"] == second["gpu_mem_total_mb"] > 1000
    assert 0.0 <= second["cpu_user_pct"] <= 100.0
    assert 0 < second["host_mem_used_mb"] < second["host_mem_total_mb"]
    assert 0 < second["workspace_disk_used_bytes"] < second["workspace_disk_total_bytes"]
    assert second["launch"] == 1 and first["ts_utc"] < second["ts_utc"]
    assert "NVIDIA-SMI" in (folder / "nvidia_smi_start.txt").read_text()
    described = (folder / "remote_env.txt").read_text()
    assert "Linux" in described and "RUNPOD_POD_ID=***" in described and "hidden-value" not in described
    assert "hidden-value" not in (folder / "pip_freeze.txt").read_text()
    shown = cli.rpd("metrics")
    assert f"{len(rows)} samples over" in shown.stdout and "gpu 0 memory" in shown.stdout, shown.stdout
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.row(119, 120)
def test_a_crash_at_once_leaves_what_describes_the_pod(cli: CommandLine) -> None:
    assert cli.run(config(BUSY.format(seconds=1.5) + "exit 3")).returncode == 5
    there = {path.name for path in (cli.run_folder() / "telemetry").iterdir()}
    assert there == {"dmesg_tail.txt", "metrics.jsonl", "nvidia_smi_start.txt", "nvidia_smi_end.txt"}
    rows = [json.loads(line) for line in (cli.run_folder() / "telemetry/metrics.jsonl").read_text().splitlines()]
    first, last = (datetime.fromisoformat(row["ts_utc"]) for row in (rows[0], rows[-1]))
    used = rows[-1]["cpu_cores"] * ((last - first).total_seconds() + 1.0)
    assert used > 1.0, "what the job has used, and not what the machine has"
    assert rows[0]["log_bytes"] == rows[-1]["log_bytes"] == 0 and rows[-1]["disk_io_bytes"] >= 0


@pytest.mark.slow
@pytest.mark.row(119)
def test_without_telemetry_nothing_is_recorded(cli: CommandLine) -> None:
    done = cli.run(config("sleep 6", telemetry={"enabled": False, **SAMPLED}))
    assert done.returncode == 0, done.stderr
    assert not (cli.run_folder() / "telemetry").exists()
    assert "nothing was sampled" in cli.rpd("metrics").stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.row(113, 119)
def test_a_job_that_leaves_its_gpus_idle_is_ended(cli: CommandLine) -> None:
    job = config("sleep 600", telemetry=SAMPLED, budget={"idle_minutes": 0.1, "idle_grace_minutes": 0})
    done = cli.rpd("run", str(cli.job(job)), "--sandbox", seconds=280)
    assert done.returncode == 7, done.stderr
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"]) == ("failed", "idle")
    assert "GPUs, processor, disk, network and log were idle" in done.stderr
    cli.nothing_computes()


BUSY = "python3 -S -c 'import time\nwhile time.process_time() < {seconds}: pass'\n"
"""Seconds of a processor, however many others there are who want it."""


@pytest.mark.slow
@pytest.mark.row(119)
def test_a_busy_processor_is_not_idle(cli: CommandLine) -> None:
    busy = "python3 -S -c 'import time\nbegan = time.time()\nwhile time.time() < began + 40: pass'"
    job = config(busy, telemetry=SAMPLED, budget={"idle_minutes": 0.1, "idle_grace_minutes": 0})
    done = cli.rpd("run", str(cli.job(job)), "--sandbox", seconds=200)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.row(119)
def test_missing_samples_are_no_idleness(cli: CommandLine) -> None:
    hidden = "for each in $(which -a nvidia-smi); do mv $each $each.off; done"
    job = config("sleep 40", telemetry=SAMPLED, budget={"idle_minutes": 0.1}, setup=[{"command": hidden}])
    done = cli.rpd("run", str(cli.job(job)), "--sandbox", seconds=200)
    assert done.returncode == 0, done.stderr
