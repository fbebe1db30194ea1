"""Journals of runs whose engine is gone, record by record, as a real one would have left them."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.local.clock import SystemClock
from rpd.adapters.spec.jobfile import load_job
from rpd.engine.protocol import intent_of
from rpd.journal.paths import journal_path
from rpd.journal.reader import read
from rpd.journal.records import Closed, DebtChange, Intent, Left, Opened, Outcome, Stamp, Transition
from rpd.journal.store import Journal
from rpd.states.operations.job import LaunchJob
from rpd.states.operations.results import FetchLog, PullArtifact
from rpd.states.ports.world import LaunchOrder, Pull, Target

RATE = 0.39
JOB = """name: job
pod: {image: "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04", gpu_order: [NVIDIA L4]}
storage: {volume_gb: 10}
run: {body: "echo hello"}
artifacts: [{label: out, remote_path: /workspace/out, local_path: "{run_dir}/out"}]
"""
TO_CREATE = (
    Transition("spec_accepted", "validate", "reclaim"),
    Transition("nothing_paused", "reclaim", "select"),
    Transition("candidate_chosen", "select", "create"),
)


ORDER = LaunchOrder(1, "echo hello", "/run.sh", "/run.log", {}, 0, "")


def _target(journal: Journal) -> Target:
    """The pod in hand, as far as nobody looks."""
    return Target("?", pod_name(journal), journal.run_id, 1, "/workspace/.rpd")


def open_run(
    home: Path,
    folder: Path,
    cloud: dict[str, str],
    *,
    token: str,
    workflow: str = "job",
    now: Callable[[], Stamp] | None = None,
) -> Journal:
    """An open journal as `rpd run` of a small job in this cloud would have begun it."""
    file = folder / f"{workflow}.yaml"
    file.write_text(JOB.replace("name: job", f"name: {workflow}"))
    loaded = load_job(file, variables={}, home=folder.parent / "user")
    home.mkdir(mode=0o700, exist_ok=True)
    waits = {"quiet_window_seconds": "2.0", "proof_interval_seconds": "0.5", "poll_seconds": "0.1"}
    opened = Opened(
        tool_version="0.1.0",
        min_reader=1,
        lifecycle="job",
        workflow=loaded.workflow,
        lineage=loaded.lineage,
        config_path=loaded.config_path,
        config_sha256=loaded.config_sha256,
        config=msgspec.to_builtins(loaded.config),
        journal_path="",
        run_dir=str(folder / "artifacts" / loaded.run_id),
        cloud={**waits, **cloud},
        user=getpass.getuser(),
        host=socket.gethostname(),
        token=token,
        variables=loaded.variables,
    )
    path = journal_path(home.resolve(), loaded.workflow, loaded.run_id)
    return Journal.create(path, opened, run_id=loaded.run_id, now=now or SystemClock().now, ballast_bytes=0)


def pod_name(journal: Journal) -> str:
    """The birth name of its only pod."""
    opened = journal.records[0].body
    assert isinstance(opened, Opened)
    return f"rpd-{opened.workflow}-{opened.token}-a1"


def pod_name_in(path: Path) -> str:
    """The same of a journal that is closed."""
    opened = read(path).opened
    assert opened is not None
    return f"rpd-{opened.workflow}-{opened.token}-a1"


def debt_of(name: str) -> Intent:
    """A record by which a run owes this pod."""
    debt = DebtChange(name, "compute", "open", usd_per_hour=RATE)
    return Intent("0001-start_pod", "start_pod", "boot", {"pod_id": "?"}, debts=(debt,))


def planted(*texts: str) -> Outcome:
    """What the volume says of another run, which may hold any text: a pod that mounts it wrote it."""
    run_id, pod_id, pod_name = (*texts, *texts[:1] * 2)[:3]
    holder = {"lease": "k.1", "run_id": run_id, "pod_id": pod_id, "pod_name": pod_name, "place": "/src"}
    return Outcome("0009-take_lease", "take_lease", "ok", data={"key": "k", "holders": [holder]})


def ordered(journal: Journal) -> None:
    """The run asked for a pod, and died before it heard an answer."""
    for move in TO_CREATE:
        journal.append(move)
    name = pod_name(journal)
    order: dict[str, Any] = {
        "name": name, "image": "i", "gpu_id": "NVIDIA L4", "gpu_count": 1, "cloud": "SECURE", "disk_gb": 20,
        "volume_gb": 10, "volume_path": "/workspace", "ports": ["22/tcp"], "datacenter_ids": [],
        "env": {"RPD_RUN_ID": journal.run_id, "RPD_OWNER": "me@here"},
    }  # fmt: skip
    args = {"candidate": {"cloud": "SECURE", "datacenter_id": None, "gpu_id": "NVIDIA L4"}, "order": order,
            "quiet_window_seconds": 2.0, "run_id": journal.run_id, "usd_per_hour": RATE}  # fmt: skip
    debt = DebtChange(name, "compute", "open", usd_per_hour=RATE)
    journal.append(Intent("0001-create_pod", "create_pod", "create", args, debts=(debt,)))


def rented(journal: Journal, pod_id: str) -> None:
    """The run rented this pod, and its engine died while it booted."""
    ordered(journal)
    pod = {"id": pod_id, "name": pod_name(journal), "status": "RUNNING", "usd_per_hour": RATE, "gpu_id": "NVIDIA L4",
           "env": {}, "image": "i", "gpu_count": 1, "has_runtime": False, "ssh": None, "volume_gb": 10}  # fmt: skip
    journal.append(Outcome("0001-create_pod", "create_pod", "ok", data={"pod": pod}))
    journal.append(Transition("pod_created", "create", "boot"))


def launched(journal: Journal, pod_id: str, state: str) -> None:
    """The run rented this pod, and its engine died when its job was about to run, or ran."""
    rented(journal, pod_id)
    way = ("boot", "connect", "arm", "setup", "stage", "preflight", "launch", "monitor")
    moves = ("address_known", "ssh_answered", "switch_armed", "steps_done", "steps_done", "steps_done", "job_started")
    for at in range(way.index(state)):
        journal.append(Transition(moves[at], way[at], way[at + 1]))


def parked(journal: Journal, pod_id: str) -> None:
    """The run rented this pod, and left it stopped with results to collect."""
    rented(journal, pod_id)
    name = pod_name(journal)
    journal.append(Transition("cancel", "boot", "release", reason="collected_by_gc"))
    journal.append(Intent("0002-stop_pod", "stop_pod", "release", {"pod_id": pod_id}))
    journal.append(Outcome("0002-stop_pod", "stop_pod", "ok", data={"pod_id": pod_id}))
    debts = (
        DebtChange(name, "compute", "close", proof="seen three times"),
        DebtChange(name, "storage", "open", usd_per_hour=0.0028),
    )
    journal.append(Transition("parked", "release", "collect", debts=debts))
    journal.append(Left("stopped with results to collect", 75))


def closed(journal: Journal, pod_id: str, *, kept: bool) -> None:
    """The run rented this pod, failed, and is over: its pod was proved stopped (`kept`), or gone."""
    rented(journal, pod_id)
    given_back(journal, pod_id, kept=kept)


def given_back(journal: Journal, pod_id: str, *, kept: bool) -> None:
    """The run is over: its pod was proved stopped (`kept`), or gone."""
    name, op = pod_name(journal), "stop_pod" if kept else "delete_pod"
    journal.append(Transition("host_failed", "boot", "release", reason="hosts_never_booted"))
    journal.append(Intent(f"0002-{op}", op, "release", {"pod_id": pod_id}))
    journal.append(Outcome(f"0002-{op}", op, "ok", data={"pod_id": pod_id}))
    debts: tuple[DebtChange, ...] = (DebtChange(name, "compute", "close", proof="seen three times"),)
    if kept:
        debts = (*debts, DebtChange(name, "storage", "open", usd_per_hour=0.0028))
    journal.append(Transition("released", "release", "report", debts=debts))
    journal.append(Transition("reported", "report", "done"))
    journal.append(Closed("refused", "hosts_never_booted", 6, 0.01))


def job_begun(journal: Journal) -> None:
    """The job of this run was launched, and runs."""
    journal.append(intent_of(LaunchJob(_target(journal), ORDER), "0002-launch_job", "launch"))
    journal.append(Outcome("0002-launch_job", "launch_job", "ok", data={"claim": {"phase": "running", "launch": 1}}))
    journal.append(Transition("job_started", "launch", "monitor"))


def parked_with_results(journal: Journal, pod_id: str) -> None:
    """The run rented this pod and launched its job there; what that left was never collected, and waits in the pod,
    which is stopped."""
    launched(journal, pod_id, "launch")
    job_begun(journal)
    journal.append(Transition("cancel", "monitor", "collect", reason="interrupted"))
    journal.append(Transition("collect_failed", "collect", "release"))
    journal.append(Intent("0003-stop_pod", "stop_pod", "release", {"pod_id": pod_id}))
    journal.append(Outcome("0003-stop_pod", "stop_pod", "ok", data={"pod_id": pod_id}))
    debts = (
        DebtChange(pod_name(journal), "compute", "close", proof="seen three times"),
        DebtChange(pod_name(journal), "storage", "open", usd_per_hour=0.0028),
    )
    journal.append(Transition("parked", "release", "collect", debts=debts))
    journal.append(Left("stopped with results to collect", 75))


def collected(journal: Journal) -> None:
    """What a parked run has left was fetched, and the run is over; its pod is stopped still."""
    journal.append(intent_of(FetchLog(_target(journal), ORDER.ref, "/l"), "0004-fetch_log", "collect"))
    journal.append(Outcome("0004-fetch_log", "fetch_log", "ok", data={"bytes": 1}))
    pulling = PullArtifact(_target(journal), Pull("out", "/workspace/out", "/nowhere/out", True))
    journal.append(intent_of(pulling, "0005-pull_artifact", "collect"))
    pulled = {"label": "out", "is_missing": False, "files": 1, "bytes": 1}
    journal.append(Outcome("0005-pull_artifact", "pull_artifact", "ok", data={"label": "out", "pulled": pulled}))
    renounced(journal)


def renounced(journal: Journal) -> None:
    """Somebody ended a parked run: nobody waits for what is in its pod."""
    journal.append(Transition("collected", "collect", "release", reason="cancelled"))
    journal.append(Transition("released", "release", "report"))
    journal.append(Transition("reported", "report", "done"))
    journal.append(Closed("cancelled", "cancelled", 130, 0.01))
