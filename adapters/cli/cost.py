"""`rpd cost`: what a run was estimated to cost, against what the provider's books say, pod by pod."""

from __future__ import annotations

from typing import Any

from rpd.adapters.cli import output
from rpd.adapters.cli.account import require_own_account
from rpd.adapters.cli.runs import find_journal
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.clouds import recorded_access
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.report.inspection import Inspection
from rpd.adapters.report.words import duration, money, one_line
from rpd.engine.deadline import elapsed
from rpd.engine.errors import RpdError
from rpd.journal.reader import read
from rpd.states import cost
from rpd.states.facts import Facts, PodFacts
from rpd.states.policy import running_seconds

LATE_SECONDS = 3600.0
"""The books are filled in late; by how much the provider does not say."""
CLOSE_SHARE, CLOSE_USD = 0.1, 0.01
"""A difference below both is none."""


def show_cost(run: str | None, *, as_json: bool) -> int:
    """Print both, and why they differ. Exit code 0, also where the books are still empty; the run's cloud is asked, so
    its key is needed. Raises UserError, Refused, Unavailable."""
    path = find_journal(run)
    inspection = Inspection(read(path), SystemClock().now())
    facts = inspection.facts
    rows = [_pod(inspection, pod) for pod in facts.pods.values() if pod.id is not None]
    estimated = round(sum(row["estimated_usd"] for row in rows), 6)
    booked = [row["booked_usd"] for row in rows if row["booked_usd"] is not None]
    document = {
        "schema": "rpd.cost/1",
        "run_id": facts.run_id,
        "pods": rows,
        "estimated_usd": estimated,
        "booked_usd": round(sum(booked), 6) if booked else None,
        "stored_usd_per_month": round(
            sum((debt.usd_per_hour or 0.0) * cost.HOURS_PER_MONTH for debt in facts.storage_debts.values()), 2
        ),
    }
    if as_json:
        output.answer(document)
    else:
        output.text([one_line(line) for line in _page(document)])
    return 0


def _pod(inspection: Inspection, pod: PodFacts) -> dict[str, Any]:
    facts, now = inspection.facts, inspection.now
    seconds = running_seconds(pod, now)
    disks = cost.running_disk_usd_per_hour(facts.job.pod.container_disk_gb, facts.volume_gb)
    estimated = sum(cost.usd(span.usd_per_hour + disks, elapsed(span.since, span.until or now)) for span in pod.spans)
    booked, problem = _booked(facts, pod)
    ended = next((span.until for span in reversed(pod.spans) if span.until is not None), None)
    is_young = ended is None or elapsed(ended, now) < LATE_SECONDS
    return {
        "pod_id": pod.id,
        "gpu": pod.candidate.gpu_id,
        "computed_seconds": round(seconds, 3),
        "usd_per_hour": pod.usd_per_hour,
        "estimated_usd": round(estimated, 6),
        "booked_usd": round(booked, 6) if booked is not None else None,
        "difference": problem or _why(estimated, booked, is_young=is_young, is_taken=pod.taken is not None),
    }


def _booked(facts: Facts, pod: PodFacts) -> tuple[float | None, str | None]:
    """What is booked (None: nothing yet), or why it cannot be known."""
    from rpd.adapters.runpod.billing import pod_bill
    from rpd.adapters.wiring import client_for

    access = recorded_access(facts.opened.cloud)
    require_own_account(facts, access)
    assert pod.id is not None, "filtered before"
    try:
        bill = pod_bill(client_for(access, ProcessControl()), pod.id)
    except RpdError as error:
        return None, f"the books cannot be read: {error.message}"
    return (bill.total_usd, None) if bill.records else (None, None)


def _why(estimated: float, booked: float | None, *, is_young: bool, is_taken: bool) -> str:
    if booked is None:
        return "nothing is booked yet; the books are filled in late"
    gap = booked - estimated
    if abs(gap) <= max(CLOSE_USD, CLOSE_SHARE * estimated):
        return "they agree"
    if gap < 0:
        return (
            "not all is booked yet" if is_young else "less was booked than estimated: the pod ended sooner than we saw"
        )
    if is_taken:
        return "the books hold what runs before this one used the pod for, too"
    return "more was booked: a stopped pod's volume, or time before and after what we saw of it"


def _page(document: dict[str, Any]) -> list[str]:
    lines = [f"run {document['run_id']}"]
    for row in document["pods"]:
        booked = money(row["booked_usd"]) if row["booked_usd"] is not None else "nothing"
        lines.append(f"pod {row['pod_id']} ({row['gpu']}) computed {duration(row['computed_seconds'])}")
        lines.append(f"    estimated {money(row['estimated_usd'])}, booked {booked}: {row['difference']}")
    if not document["pods"]:
        lines.append("nothing was rented")
    if document["stored_usd_per_month"]:
        lines.append(f"stored: {money(document['stored_usd_per_month'])} a month until it is released")
    return lines
