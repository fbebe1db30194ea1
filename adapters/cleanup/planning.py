"""What `rpd gc` would do about one run."""

from __future__ import annotations

from pathlib import Path

from rpd.adapters.cleanup.accounts import Account, key_of
from rpd.adapters.cleanup.rows import GcRow
from rpd.adapters.disposal.suspects import AT_REST, is_kept_up, may_owe, owes_compute, suspects, twins
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.report.words import clock
from rpd.journal.index import Entry
from rpd.journal.lock import holder
from rpd.journal.reader import read
from rpd.states.facts import Facts
from rpd.states.ports.names import BEFORE_LAUNCH, State


def planned(entry: Entry, account: Account | None) -> GcRow | None:
    """The plan for one run. A journal that makes no sense does not hide the other runs."""
    try:
        row = _plan(entry, account)
    except Exception as error:  # any problem of this journal
        row = GcRow(entry.run_id, entry.journal, entry.state, f"look at it yourself: {error}")
    if row is not None:
        row.cloud = key_of(entry.cloud)
    return row


def _plan(entry: Entry, account: Account | None) -> GcRow | None:
    path = Path(entry.journal)
    if entry.problem or not owes_compute(entry):
        return _plan_undriven(entry, account)
    inspection = Inspection(read(path), SystemClock().now())
    facts = inspection.facts
    row = GcRow(entry.run_id, entry.journal, str(facts.state), _plan_words(facts), released_by=inspection.released_by())
    if facts.pod is not None:
        row.pod_id, row.usd_per_hour = facts.pod.id, facts.pod.usd_per_hour
        seen = next((pod for pod in account.pods if pod.id == facts.pod.id), None) if account else None
        row.pod_status = seen.status if seen else None
    owner = holder(path)
    if owner is not None:
        row.plan, row.is_spared = f"spare: driven by pid {owner.pid} on {owner.host}", True
    elif is_kept_up(facts, inspection.now) and facts.pod is not None and row.pod_status not in AT_REST:
        kept = clock(facts.pod.kept_until or 0.0)
        second = ", ".join(twins(facts, account.pods if account is not None else ()))
        if second:
            row.plan = f"delete {second}, a second pod of its create; the first one is kept up until {kept}"
        else:
            row.plan, row.is_spared = f"spare: kept up until {kept}, when its switch stops it", True
            row.next = f"rpd release {entry.run_id}"
    return row


def _plan_words(facts: Facts) -> str:
    if facts.state in BEFORE_LAUNCH:
        return "release: its engine died before the job was launched"
    if facts.state in (State.LAUNCH, State.MONITOR):
        return "ask the pod; spare it while the job runs, stop it when results wait"
    if facts.state is State.COLLECT and not facts.collected:
        return "stop, never delete: results are not collected"
    return "release and prove it"


def _plan_undriven(entry: Entry, account: Account | None) -> GcRow | None:
    """A run that no loop can drive or needs to drive. Only the pods of it that still compute matter."""
    if may_owe(entry) and (account is None or account.problem):
        plan = f"stop what it rented: its journal cannot be driven ({entry.problem})"
        return GcRow(entry.run_id, entry.journal, entry.state, plan, next=_way_out(entry))
    found = suspects(entry, account.pods if account is not None else ())
    if not found:
        return None
    pod, plan = found[0].pod, f"{found[0].how}: {found[0].why}"
    row = GcRow(entry.run_id, entry.journal, entry.state, plan, pod.id, pod.status, pod.usd_per_hour)
    row.next = _way_out(entry)
    return row


def _way_out(entry: Entry) -> str | None:
    """The way out of a journal in trouble. gc stops what such a journal names, and cannot write to it."""
    return f"rpd salvage {entry.run_id}   also ends it" if entry.problem not in ("", "too_new") else None
