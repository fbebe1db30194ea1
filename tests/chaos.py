"""Kill the real command at random moments, recover, and let the sandbox's own ledger judge.

    python tests/chaos.py --kills 60 --seed 1

Each life has a state home and a sandbox of its own; `truth` is the outside view: no pod may compute, no job may have
been started twice over all launches, and after `rpd resume` the artifacts must be here with the right hashes. Every
third life is a session: what a person left in its pod must not be deleted.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

RPD = [sys.executable, "-m", "rpd.adapters.cli"]
JOB_SECONDS = 1.5
BOOT_SECONDS = 0.8
GC_SECONDS = JOB_SECONDS + 30.0
SESSION = ("connect", "--gpu", "NVIDIA L4", "--preset", "shell", "--hours", "1", "--yes", "--sandbox")
SESSION_SECONDS = 6.0
"""A session is killed within this time: while it comes up, or while somebody is connected."""
ATTENDED_SECONDS = 60.0
COMPUTING = ("PROVISIONING", "STARTING", "RUNNING", "ERROR")
PAYLOAD = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(4096))

CONFIG = f"""\
name: chaos
pod:
  image: runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04
  gpu_order: [NVIDIA L4]
  datacenters: [EUR-IS-1]
storage: {{mode: ephemeral, volume_gb: 10}}
budget: {{cost_cap_usd: 1.0, max_runtime_minutes: 10}}
setup:
  - command: mkdir -p /workspace/in
staging:
  - {{label: input, source: payload, destination: /workspace/in}}
run:
  body: |
    mkdir -p /workspace/out
    cat /workspace/in/data.bin /workspace/in/data.bin > /workspace/out/result.bin
    echo started; sleep {JOB_SECONDS}; echo "[chaos] DONE"
  success_marker: "[chaos] DONE"
artifacts:
  - {{label: result, remote_path: /workspace/out, local_path: "{{run_dir}}/out"}}
lifecycle: {{on_success: delete, on_failure: stop}}
"""


@dataclass
class ChaosRun:
    """One run that was killed once and recovered once. `faults` is empty when every promise held."""

    number: int
    kill_after: float
    recovery: str
    faults: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    state: str = "?"
    is_session: bool = False

    @property
    def command(self) -> tuple[str, ...]:
        """What the person has typed."""
        return SESSION if self.is_session else ("run", "job.yaml", "--sandbox")


def main() -> int:
    """Run all lives; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=4)
    arguments = parser.parse_args()
    lives = run_lives(arguments.kills, arguments.seed, arguments.parallel)
    broken = [life for life in lives if life.faults]
    for life in broken:
        print(f"life {life.number} (killed after {life.kill_after:.3f} s in {life.state}, {life.recovery}):")
        print("\n".join(f"    {line}" for line in [*life.faults, *life.story]))
    states: dict[str, int] = {}
    for life in lives:
        states[life.state] = states.get(life.state, 0) + 1
    print("killed in: " + ", ".join(f"{state} {count}" for state, count in sorted(states.items())))
    print(f"{len(lives)} kills, {len(broken)} broken promises (seed {arguments.seed})")
    return 1 if broken else 0


def run_lives(kills: int, seed: int, parallel: int) -> list[ChaosRun]:
    """Every life with its own kill moment, drawn from the seed over the whole length of an undisturbed run."""
    dice = random.Random(seed)
    base = Path(tempfile.mkdtemp(prefix="rpd-chaos-"))
    try:
        whole = undisturbed_seconds(base / "reference")
        lengths = [SESSION_SECONDS if n % 3 == 2 else whole for n in range(kills)]
        plans = [(n, dice.uniform(0.0, lengths[n]), "resume" if n % 2 == 0 else "gc") for n in range(kills)]
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            return list(pool.map(lambda plan: live(base / f"life-{plan[0]}", *plan), plans))
    finally:
        shutil.rmtree(base, ignore_errors=True)


def undisturbed_seconds(folder: Path) -> float:
    """How long a run takes that nobody kills."""
    home = prepare(folder)
    started = time.monotonic()
    done = rpd(home, folder, "run", "job.yaml", "--sandbox")
    took = time.monotonic() - started
    rpd(home, folder, "sandbox", "down")
    assert done.returncode == 0, done.stderr
    return took


def live(folder: Path, number: int, kill_after: float, recovery: str) -> ChaosRun:
    """One life: start, kill, recover, judge."""
    life = ChaosRun(number, kill_after, recovery, is_session=number % 3 == 2)
    home = prepare(folder)
    try:
        process = subprocess.Popen(
            [*RPD, *life.command],
            cwd=folder,
            env=environment(home),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(kill_after)  # the random moment is the test
        process.send_signal(signal.SIGKILL)
        process.wait()
        life.state = journal_state(home)
        left = leave_work(home) if life.is_session and life.state == "attend" else None
        by_resume = attach_again if life.is_session else recover_by_resume
        (by_resume if recovery == "resume" else recover_by_gc)(life, home, folder)
        judge(life, home, folder)
        if left is not None and not left.exists():
            life.faults.append("what a person left in the pod is gone")
    finally:
        rpd(home, folder, "sandbox", "down")
    return life


def recover_by_resume(life: ChaosRun, home: Path, folder: Path) -> None:
    """`rpd resume` goes on to success, whatever the moment was."""
    if life.state == "none":
        return
    done = rpd(home, folder, "resume", newest_run(home))
    life.story.append(f"resume: exit {done.returncode}\n{done.stderr}")
    if done.returncode != 0:
        life.faults.append(f"resume exited with {done.returncode}")
    check_artifacts(life, home)


def leave_work(home: Path) -> Path:
    """A file on the volume of the one pod, as somebody would leave it."""
    (volume,) = (home / "sandbox" / "pods").glob("*/volume")
    work = volume / "mine.txt"
    work.write_text("work")
    return work


def attach_again(life: ChaosRun, home: Path, folder: Path) -> None:
    """`rpd resume` of a session attaches again, wherever it was; then the person leaves, and the pod is stopped."""
    if life.state == "none":
        return
    run = newest_run(home)
    process = subprocess.Popen(
        [*RPD, "resume", run],
        cwd=folder,
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + ATTENDED_SECONDS
        while journal_state(home) != "attend" and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if journal_state(home) != "attend":
            life.faults.append(f"resume has not attached again: {journal_state(home)}")
        done = rpd(home, folder, "release", run, "--stop")
        life.story.append(f"release: exit {done.returncode}\n{done.stderr}")
        if process.wait(ATTENDED_SECONDS) != 0:
            life.faults.append(f"resume exited with {process.returncode}")
    finally:
        process.kill()
        process.wait()


def recover_by_gc(life: ChaosRun, home: Path, folder: Path) -> None:
    """`rpd gc --yes`, repeated while it exits 8, within the time of the job and 30 s."""
    deadline = time.monotonic() + GC_SECONDS
    while True:
        done = rpd(home, folder, "gc", "--yes")
        if done.returncode != 8 or time.monotonic() > deadline:
            break
    life.story.append(f"gc: exit {done.returncode}\n{done.stdout}{done.stderr}")
    if done.returncode != 0:
        life.faults.append(f"gc ended with exit {done.returncode}")


def judge(life: ChaosRun, home: Path, folder: Path) -> None:
    """The sandbox's ledger against the promises."""
    told = rpd(home, folder, "sandbox", "truth", "--json")
    if told.returncode != 0:
        if life.state != "none":
            life.faults.append(f"truth: exit {told.returncode}: {told.stderr}")
        return
    truth = json.loads(told.stdout)
    life.story.append(json.dumps(truth))
    life.faults += [f"pod {pod['id']} is {pod['status']}" for pod in truth["pods"] if pod["status"] in COMPUTING]
    for run_id, launches in truth["jobs"].items():
        if sum(launches.values()) > 1:
            life.faults.append(f"job of {run_id} was started {sum(launches.values())} times")


def check_artifacts(life: ChaosRun, home: Path) -> None:
    """The artifact of the newest run is here, and is what the job made."""
    run_dir = json.loads(rpd(home, home.parent, "inspect", newest_run(home), "--json").stdout)["run_dir"]
    result = Path(run_dir, "out", "result.bin")
    if not result.exists():
        life.faults.append("the artifact is not here")
    elif result.read_bytes() != PAYLOAD + PAYLOAD:
        life.faults.append("the artifact is not what the job made")


# The stage.


def prepare(folder: Path) -> Path:
    """A folder with a job file and a state home, and a sandbox that boots pods in no time."""
    (folder / "payload").mkdir(parents=True)
    (folder / "payload" / "data.bin").write_bytes(PAYLOAD)
    (folder / "job.yaml").write_text(CONFIG)
    home = folder / "home"
    up = rpd(home, folder, "sandbox", "up", "--boot-seconds", str(BOOT_SECONDS), "--json")
    assert up.returncode == 0, up.stderr
    return home


def rpd(home: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as a user would call it."""
    return subprocess.run(
        [*RPD, *arguments], cwd=folder, env=environment(home), capture_output=True, text=True, timeout=180, check=False
    )


def environment(home: Path) -> dict[str, str]:
    """A user's environment with a state home of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RPD_", "RUNPOD_"))}
    isolation = os.environ.get("RPD_SANDBOX_ISOLATION")
    return {**kept, "RPD_HOME": str(home), **({"RPD_SANDBOX_ISOLATION": isolation} if isolation else {})}


def journals(home: Path) -> list[Path]:
    """Canonical journals of a state home."""
    return sorted((home / "journals").glob("*/*.jsonl"))


def newest_run(home: Path) -> str:
    """The run id of the newest journal."""
    return journals(home)[-1].stem


def journal_state(home: Path) -> str:
    """Where the journal stood when its engine was killed; `none` before there was one."""
    if not journals(home):
        return "none"
    state = "validate"
    for line in journals(home)[-1].read_bytes().split(b"\n"):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("kind") == "transition":
            state = record["data"]["dest"]
    return state


if __name__ == "__main__":
    sys.exit(main())
