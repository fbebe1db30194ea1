"""`rpd cost`: the estimated cost of a run against the provider's books, pod by pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rpd.adapters.access.clouds import Access
from rpd.adapters.access.gate import recorded_access
from rpd.adapters.access.judgement import judged, way_out
from rpd.adapters.disposal.account import require_own_account
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.forensics.reconciliation import Estimate, Line, estimates, reconcile
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.patience import ANSWER_SECONDS, Patience
from rpd.adapters.report.words import duration, money, one_line, utc
from rpd.adapters.runpod.billing import PodBill, pod_bill
from rpd.adapters.runs.finding import find_journal
from rpd.adapters.terminal import output
from rpd.engine.errors import RpdError
from rpd.states.facts import Facts
from rpd.states.policy import cost
from rpd.states.ports.exits import Exit

BEFORE_SECONDS = 3600.0
"""rpd asks the books from this long before the run, because clocks differ and the books use whole hours."""


def show_cost(run: str | None, *, as_json: bool) -> int:
    """Print both, and why they differ. Exit code 0, also if the books are still empty. Exit code 9 if the journal is
    damaged and so incomplete. rpd asks the run's cloud, so it needs the key. Raises UserError, Refused, Unavailable."""
    path = find_journal(run, to_act=True)  # rpd asks its cloud, with our key
    reading = judged(path)
    inspection = Inspection(reading, SystemClock().now())
    facts = inspection.facts
    lines = _reconciled(path, inspection)
    rows = [_row(facts, line) for line in lines]
    booked = [line.bill.total_usd for line in lines if line.bill is not None and line.bill.records]
    estimated = round(sum(line.estimate.total_usd for line in lines), 6)
    document = {
        "schema": "rpd.cost/1",
        "run_id": facts.run_id,
        "pods": rows,
        "estimated_usd": estimated if inspection.cost_usd() is not None else None,
        "booked_usd": round(sum(booked), 6) if booked else None,
        "stored_usd_per_month": round(
            sum((debt.usd_per_hour or 0.0) * cost.HOURS_PER_MONTH for debt in facts.debts.storage.values()), 2
        ),
        "problem": reading.damage.message if reading.damage is not None else None,
    }
    if as_json:
        output.answer(document)
    else:
        output.text([one_line(line) for line in _page(document)])
    return Exit.JOURNAL if reading.damage is not None else Exit.DONE


def _reconciled(path: Path, inspection: Inspection) -> list[Line]:
    facts, now = inspection.facts, inspection.now
    found = estimates(facts, inspection.reading.records, now)
    if not found:
        return []
    access = recorded_access(path)
    control = ProcessControl(patience=Patience(ANSWER_SECONDS))
    require_own_account(facts, access, control.patience)
    lines = []
    for each in found:
        bill, problem = _bill(each, facts, access, control)
        lines.append(reconcile(each, bill, now.wall, problem=problem))
    return lines


def _bill(estimate: Estimate, facts: Facts, access: Access, control: ProcessControl) -> tuple[PodBill | None, str]:
    """What is booked, or why it cannot be known. rpd asks from the run's beginning on, because by default the books
    show only the last 30 days."""
    from rpd.adapters.wiring import client_for

    since = utc(facts.progress.started.wall - BEFORE_SECONDS) if facts.progress.started is not None else None
    try:
        return pod_bill(client_for(access, control), estimate.pod_id, since=since), ""
    except RpdError as error:
        return None, error.message


def _row(facts: Facts, line: Line) -> dict[str, Any]:
    estimate, bill = line.estimate, line.bill
    pod = next(each for each in facts.pods.values() if each.id == estimate.pod_id)
    return {
        "pod_id": estimate.pod_id,
        "gpu": pod.origin.candidate.gpu_id,
        "computed_seconds": round(estimate.seconds, 3),
        "usd_per_hour": pod.usd_per_hour,
        "estimated_usd": round(estimate.total_usd, 6),
        "booked_usd": round(bill.total_usd, 6) if bill is not None and bill.records else None,
        "estimated": {
            "computing_usd": round(estimate.gpu_usd, 6),
            "disks_usd": round(estimate.disk_usd, 6),
            "stopped_usd": round(estimate.storage_usd, 6),
        },
        "booked": None
        if bill is None
        else {"computing_usd": round(bill.gpu_usd + bill.cpu_usd, 6), "disks_usd": round(bill.disk_usd, 6)},
        "difference": "; ".join(line.why),
    }


def _page(document: dict[str, Any]) -> list[str]:
    lines = [f"run {document['run_id']}"]
    for row in document["pods"]:
        booked = money(row["booked_usd"]) if row["booked_usd"] is not None else "nothing"
        lines.append(f"pod {row['pod_id']} ({row['gpu']}) computed {duration(row['computed_seconds'])}")
        parts = row["estimated"]
        stopped = f", {money(parts['stopped_usd'])} while stopped" if parts["stopped_usd"] else ""
        split = f"{money(parts['computing_usd'])} computing, {money(parts['disks_usd'])} disks{stopped}"
        lines.append(f"    estimated {money(row['estimated_usd'])} ({split})")
        lines.append(f"    booked    {booked}")
        lines += [f"    {why}" for why in row["difference"].split("; ")]
    if document["problem"] is not None:
        lines.append(f"DAMAGED  {document['problem']}: what was rented after its good part is not in here")
        lines.append(f"         {way_out(document['run_id'])}")
    elif document["estimated_usd"] is None:
        lines.append("its journal was damaged: what else was rented, and what that has cost, is not known")
    elif not document["pods"]:
        lines.append("nothing was rented")
    if document["stored_usd_per_month"]:
        lines.append(f"stored: {money(document['stored_usd_per_month'])} a month until it is released")
    return lines
