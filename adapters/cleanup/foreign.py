"""Pods with our prefix that no journal here accounts for. rpd shows them, and stops them only if a person names
them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rpd.adapters.cleanup.accounts import Account
from rpd.adapters.disposal.giveback import release_and_prove
from rpd.adapters.disposal.suspects import AT_REST
from rpd.adapters.local.patience import Patience
from rpd.adapters.report.words import rate
from rpd.adapters.terminal import output
from rpd.engine.errors import RpdError
from rpd.journal.index import Entry
from rpd.states.operations.pod import StopPod
from rpd.states.ports.world import Pod


def foreign_pods(entries: Sequence[Entry], pods: Sequence[Pod]) -> list[dict[str, Any]]:
    """The foreign ones among the pods of an account that may compute."""
    known = {entry.run_id for entry in entries if entry.cloud}  # a ruined journal without a cloud accounts for nothing
    return [
        {
            "id": pod.id,
            "name": pod.name,
            "status": pod.status,
            "owner": pod.env.get("RPD_OWNER"),
            "usd_per_hour": pod.usd_per_hour,
            "created_at": pod.created_at,
        }
        for pod in pods
        if pod.name.startswith("rpd-") and pod.env.get("RPD_RUN_ID") not in known and pod.status not in AT_REST
    ]


def stop_foreign(pod: dict[str, Any], account: Account | None, patience: Patience) -> None:
    """Stop a pod that a person named, and prove it."""
    assert account is not None and account.access is not None, "it was listed there"
    interval = account.access.profile.proof_interval_seconds
    try:
        pod["result"] = release_and_prove(account.cloud(patience), StopPod(pod["id"]), interval, patience)
        pod["is_stopped"] = True
    except RpdError as error:
        pod["result"] = f"failed: {error.message}"


def count_not_adopted(ids: Sequence[str], foreign: Sequence[dict[str, Any]]) -> int:
    """How many of the pods that a person named were not stopped. This reports each pod that is not there."""
    known = {pod["id"]: pod for pod in foreign}
    for pod_id in ids:
        if pod_id not in known:
            output.note([f"--adopt {pod_id}: no pod of others with our prefix has this id"])
    return sum(not known.get(pod_id, {}).get("is_stopped") for pod_id in ids)


def foreign_page(foreign: Sequence[dict[str, Any]]) -> list[str]:
    """Two lines for each pod."""
    lines = []
    for pod in foreign:
        whose = f"of {pod['owner'] or 'unknown'}, since {pod['created_at']}"
        lines.append(
            f"not ours to touch: {pod['id']} {pod['name']} {pod['status']} {rate(pod['usd_per_hour'])} {whose}"
        )
        lines.append(f"    {pod.get('result') or 'rpd gc --yes --adopt ' + pod['id'] + '   stops it'}")
    return lines
