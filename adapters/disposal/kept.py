"""The stopped pods that a finished run keeps, and their end."""

from __future__ import annotations

from pathlib import Path

from rpd.adapters.access.gate import recorded_access
from rpd.adapters.disposal.account import require_own_account
from rpd.adapters.disposal.giveback import delete_pod
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.patience import Patience
from rpd.journal.reader import read
from rpd.states.policy.reuse import handed_over_pods


def release_kept(path: Path, command: str, patience: Patience) -> list[str]:
    """Delete every stopped pod that a finished run keeps, and prove it. Returns a line for each. Raises RpdError,
    JournalError."""
    from rpd.adapters.wiring import cloud_of_run

    facts = Inspection(read(path), SystemClock().now()).facts
    access = recorded_access(path)
    require_own_account(facts, access, patience)
    control = ProcessControl(patience=patience)
    cloud = cloud_of_run(facts.opened, facts.run_id, access, control, handed_over=handed_over_pods(facts))
    lines = []
    ids = {pod.name: pod.id for pod in facts.pods.values() if pod.id is not None}
    if not ids.keys() >= facts.debts.storage.keys():  # a journal that lost records may name a pod without its id
        ids = {pod.name: pod.id for pod in cloud.list()} | ids
    for name in list(facts.debts.storage):
        if name in ids:
            proof = delete_pod(path, access, cloud, ids[name], name, command=command, patience=patience)
            lines.append(f"pod {ids[name]} deleted: {proof}")
    return lines
