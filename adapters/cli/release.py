"""`rpd release`: give the pod of a run back, whether the run is alive, dead, parked or over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rpd.adapters.cli import output
from rpd.adapters.cli.account import require_own_account
from rpd.adapters.cli.ask import end_run
from rpd.adapters.cli.runs import find_journal
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.clouds import recorded_access
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.report.inspection import Inspection
from rpd.engine.errors import UserError
from rpd.engine.ports import Request
from rpd.journal.reader import read
from rpd.journal.replay import fold
from rpd.states.reuse import adopted


def release_run(run: str | None, *, stop: bool, delete: bool, as_json: bool) -> int:
    """Exit code 0 when nothing of the run computes any more (and, with --delete, nothing is stored)."""
    if stop and delete:
        raise UserError("--stop and --delete contradict each other")
    path = find_journal(run, to_act=True)
    if fold(read(path).records).closed is None:
        detail: dict[str, Any] = {"how": "delete"} if delete else {"how": "stop"} if stop else {}
        return end_run(path, Request("release", "rpd release", detail), as_json=as_json)
    return _release_stopped(path, delete=delete, as_json=as_json)


def _release_stopped(path: Path, *, delete: bool, as_json: bool) -> int:
    """The run is over: what may be left is a stopped pod, which only a clear word deletes."""
    inspection = Inspection(read(path), SystemClock().now())
    facts = inspection.facts
    kept = [pod for pod in facts.pods.values() if pod.name in facts.storage_debts and pod.id]
    if kept and not delete:
        raise UserError(
            f"run {facts.run_id} is over; its pod {kept[0].id} is stopped and keeps {facts.volume_gb} GB",
            hint=f"rpd release {facts.run_id} --delete",
        )
    lines = release_kept(path, "rpd release") if kept else []
    if as_json:
        output.answer(Inspection(read(path), SystemClock().now()).document())
    output.note(lines or [f"run {facts.run_id} is over and owes nothing"])
    return 0


def release_kept(path: Path, command: str) -> list[str]:
    """Delete every pod that a finished run keeps stopped, and prove it; a line for each. Raises RpdError,
    JournalError."""
    from rpd.adapters.cli.giveback import delete_pod
    from rpd.adapters.wiring import cloud_of_run

    facts = Inspection(read(path), SystemClock().now()).facts
    access = recorded_access(facts.opened.cloud)
    require_own_account(facts, access)
    cloud = cloud_of_run(facts.opened, facts.run_id, access, ProcessControl(), adopted=adopted(facts))
    lines = []
    for pod in list(facts.pods.values()):
        if pod.name in facts.storage_debts and pod.id is not None:
            proof = delete_pod(path, access, cloud, pod.id, pod.name, command=command)
            lines.append(f"pod {pod.id} deleted: {proof}")
    return lines
