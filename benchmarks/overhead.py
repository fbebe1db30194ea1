"""What rpd adds to the bill: billed seconds minus boot minus job, and the number of SSH logins, judged by the sandbox.

    python benchmarks/overhead.py [--boot-seconds 3] [--job-seconds 5] [--runs 3]

The pod is billed from the accepted create to the accepted delete; boot and job cannot be shortened, the rest is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RPD = [sys.executable, "-m", "rpd.adapters.cli"]
BUDGET_SECONDS = 1.5
LOGINS_MAX = 2


def main() -> int:
    """Print one line a run and the worst; exit code 1 over the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boot-seconds", type=float, default=3.0)
    parser.add_argument("--job-seconds", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    over = [measure(arguments.boot_seconds, arguments.job_seconds) for _ in range(arguments.runs)]
    seconds, logins = [each[0] for each in over], max(each[1] for each in over)
    print(
        f"overhead: median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s "
        f"(at most {BUDGET_SECONDS} s); SSH logins: {logins} (at most {LOGINS_MAX})"
    )
    return 0 if max(seconds) <= BUDGET_SECONDS and logins <= LOGINS_MAX else 1


def measure(boot_seconds: float, job_seconds: float) -> tuple[float, int]:
    """One run in a sandbox of its own: overhead in seconds, and logins."""
    folder = Path(tempfile.mkdtemp(prefix="rpd-overhead-"))
    environ = {**os.environ, "RPD_HOME": str(folder / "home")}
    try:
        write_job(folder, job_seconds)
        call(folder, environ, "sandbox", "up", "--boot-seconds", str(boot_seconds), "--json")
        call(folder, environ, "run", "job.yaml", "--sandbox")
        truth = json.loads(call(folder, environ, "sandbox", "truth", "--json"))
    finally:
        call(folder, environ, "sandbox", "down")
        shutil.rmtree(folder, ignore_errors=True)
    pod = truth["pods"][0]
    overhead = pod["billed_seconds"] - boot_seconds - job_seconds
    billed = pod["billed_seconds"]
    print(f"billed {billed:.2f} s, boot {boot_seconds} s, job {job_seconds} s, overhead {overhead:.2f} s")
    return overhead, pod["ssh_logins"]


def write_job(folder: Path, job_seconds: float) -> None:
    """A job with a staged folder and an artifact, as a real one has."""
    (folder / "payload").mkdir()
    (folder / "payload" / "data.bin").write_bytes(os.urandom(100_000))
    (folder / "job.yaml").write_text(
        f"""\
name: overhead
pod: {{image: "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04", gpu_order: [NVIDIA L4]}}
storage: {{mode: ephemeral, volume_gb: 10}}
staging: [{{label: payload, source: payload, destination: /workspace/in}}]
run: {{body: "sleep {job_seconds}; mkdir -p /workspace/out; cp /workspace/in/data.bin /workspace/out/"}}
artifacts: [{{label: out, remote_path: /workspace/out, local_path: "{{run_dir}}/out"}}]
"""
    )


def call(folder: Path, environ: dict[str, str], *arguments: str) -> str:
    """The command, which has to succeed."""
    done = subprocess.run([*RPD, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"rpd {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
