"""The pods of all clouds, joined with the journals: one row for each pod that the account shows, and for each pod that
only a journal names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rpd.adapters.cleanup.accounts import Account, key_of
from rpd.adapters.disposal.losses import losses
from rpd.adapters.disposal.suspects import is_own, understood
from rpd.adapters.forensics.inspection import facts_of
from rpd.adapters.forensics.timeline import wall_of
from rpd.adapters.pods.row import NOT_KNOWN, NOT_LISTED, Owner, PodRow, Results, Ways
from rpd.journal.errors import JournalError
from rpd.journal.index import Entry
from rpd.journal.lock import Owner as Holder
from rpd.journal.lock import holder
from rpd.journal.reader import read
from rpd.journal.records import DebtChange, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import PodFacts
from rpd.states.policy import cost
from rpd.states.policy.rules import lasted
from rpd.states.policy.twin import is_of_run
from rpd.states.ports.world import Pod


class Known(NamedTuple):
    """One run with its facts. None for a journal that makes no sense."""

    entry: Entry
    facts: Facts | None
    holder: Holder | None

    def facts_of_pod(self, pod_id: str) -> PodFacts | None:
        """What the run knows of the pod with this id."""
        if self.facts is None:
            return None
        return next((each for each in self.facts.pods.values() if each.id == pod_id), None)

    def holds(self, pod: Pod) -> bool:
        """Whether the journal shows that the pod is this run's."""
        if self.facts is None:
            return is_own(pod, self.entry, None)
        if self.facts_of_pod(pod.id) is not None:
            return self.facts.lineage.handed_over.get(pod.name) is None
        return is_of_run(pod, self.facts.name_prefix, self.facts.run_id)


class Joined(NamedTuple):
    """A row with its sources."""

    row: PodRow
    known: Known | None
    account: Account | None


class Join:
    """Reads only the journals that may speak of a pod."""

    def __init__(self, entries: Sequence[Entry], now: Stamp) -> None:
        self._entries = entries
        self._now = now
        self._known: dict[str, Known] = {}

    def rows(self, accounts: Mapping[str, Account]) -> list[Joined]:
        """Pods that compute come first, then those that the account does not show, then the stopped ones."""
        found: list[Joined] = []
        for key, account in accounts.items():
            found += [self._listed(pod, account, key) for pod in account.pods if pod.status != "TERMINATED"]
        shown = {(each.known.entry.run_id, each.row.id) for each in found if each.known is not None}
        for entry in self._entries:
            asked = accounts.get(key_of(entry.cloud))
            found += [row for row in self._owed(entry, asked) if (entry.run_id, row.row.id) not in shown]
        return sorted(found, key=lambda each: (not each.row.computes, each.row.is_listed, each.row.created_at or ""))

    def known(self, entry: Entry) -> Known:
        """One run, read once."""
        if entry.run_id not in self._known:
            facts = None
            with contextlib.suppress(JournalError):
                facts = None if entry.problem else facts_of(read(Path(entry.journal)))
            self._known[entry.run_id] = Known(entry, facts, holder(Path(entry.journal)))
        return self._known[entry.run_id]

    def _listed(self, pod: Pod, account: Account, key: str) -> Joined:
        known = next((each for each in self._candidates(pod, key) if each.holds(pod)), None)
        return Joined(_row(pod, account, known, self._now), known, account)

    def _candidates(self, pod: Pod, key: str) -> Iterator[Known]:
        """Runs in this cloud that may have the pod. A run that owes it comes first: a pod changes hands under its first
        name."""
        env_run = pod.env.get("RPD_RUN_ID")
        here = [entry for entry in self._entries if key_of(entry.cloud) in (key, "")]
        owing = [entry for entry in here if any(debt.key == pod.name for debt in entry.debts)]
        named = [
            entry
            for entry in here
            if entry not in owing and (entry.run_id == env_run or (not env_run and _may_be_named(pod, entry)))
        ]
        return (self.known(entry) for entry in (*owing, *named))

    def _owed(self, entry: Entry, account: Account | None) -> Iterator[Joined]:
        """Rows for what the run owes, whether or not the account shows it."""
        if not entry.debts:
            return
        known = self.known(entry)
        pods = known.facts.pods if known.facts is not None else {}
        kinds = {debt.key: debt for debt in entry.debts}
        kinds |= {debt.key: debt for debt in entry.debts if debt.kind == "compute"}
        for name, debt in kinds.items():
            pod = pods.get(name)
            status = NOT_LISTED if account is not None and account.problem is None else NOT_KNOWN
            row = PodRow(
                id=pod.id if pod is not None else None,
                name=name,
                status=status,
                owner=owner_of(known, None),
                cloud=account.name if account is not None else str(entry.cloud.get("name") or "?"),
                gpu=pod.origin.candidate.gpu_id if pod is not None else None,
                usd_per_hour=(debt.usd_per_hour or 0.0) if debt.kind == "compute" else 0.0,
                cost_usd=_spent(known.facts, pod, self._now),
                storage_usd_per_month=_stored(debt),
                results=results_of(known.facts, pod.id if pod is not None else None),
                note=_note_owed(known, debt, status, pod is None or pod.id is None),
            )
            yield Joined(row, known, account)


def owner_of(known: Known | None, pod: Pod | None) -> Owner:
    """Whose pod it is."""
    who = pod.env.get("RPD_OWNER") if pod is not None else None
    if known is None:
        run_id = pod.env.get("RPD_RUN_ID") if pod is not None else None
        is_rpd = pod is not None and pod.name.startswith("rpd-") and (who is not None or run_id is not None)
        return Owner("other_rpd" if is_rpd else "not_ours", run_id=run_id if is_rpd else None, who=who)
    entry, driven = known.entry, known.holder
    return Owner(
        "session" if entry.lifecycle == "session" else "run",
        run_id=entry.run_id,
        state=entry.state,
        outcome=entry.outcome,
        who=who,
        pid=driven.pid if driven is not None else None,
        journal=entry.journal,
        workflow=entry.workflow or None,
    )


def results_of(facts: Facts | None, pod_id: str | None) -> Results:
    """Whether something of the run exists only in this pod."""
    if facts is None:
        return "unknown"
    if facts.pod is None or facts.pod.id != pod_id:
        return "none"  # a former attempt, or a second pod of one create: no job was launched there
    if losses(facts):
        return "not_collected"
    return "collected" if facts.has_launched_here else "none"


def _row(pod: Pod, account: Account, known: Known | None, now: Stamp) -> PodRow:
    at_rest = pod.status == "EXITED"
    seen = known.facts_of_pod(pod.id) if known is not None else None
    started = wall_of({"ts_utc": pod.started_at or pod.created_at})
    uptime = max(0.0, now.wall - started) if started is not None and not at_rest else None
    spent = _spent(known.facts, seen, now) if known is not None else None
    if spent is None and uptime is not None:
        spent = round(cost.usd(pod.usd_per_hour, uptime), 6)
    return PodRow(
        id=pod.id,
        name=pod.name,
        status=pod.status,
        owner=owner_of(known, pod),
        cloud=account.name,
        gpu_use=account.gpu_use.get(pod.id),
        gpu=pod.gpu_id,
        gpu_count=pod.gpu_count,
        datacenter=pod.datacenter_id,
        created_at=pod.created_at,
        uptime_seconds=uptime,
        usd_per_hour=0.0 if at_rest else pod.usd_per_hour,
        cost_usd=spent,
        storage_usd_per_month=round(cost.stopped_usd_per_month(pod.volume_gb), 2),
        volume_gb=pod.volume_gb,
        results=results_of(known.facts, pod.id) if known is not None else "unknown",
        is_locked=pod.is_locked,
        ways=Ways(f"ssh {pod.ssh.username}@{pod.ssh.host} -p {pod.ssh.port}" if pod.ssh is not None else None),
        image=pod.image or None,
        note=_note(pod, known),
    )


def _note(pod: Pod, known: Known | None) -> str | None:
    """What is unusual about a listed pod, and what to type."""
    if known is None or known.holder is not None:
        return "locked: nobody can release it" if pod.is_locked and known is not None else None
    entry, run_id = known.entry, known.entry.run_id
    if entry.problem:
        return f"its journal cannot be driven ({entry.problem}): rpd salvage {run_id}"
    computes = pod.status != "EXITED"
    owed = {debt.kind for debt in entry.debts if debt.key == pod.name}
    if computes and entry.outcome is not None and "compute" not in owed:
        return "its run is over, and nobody ends it: rpd gc --yes"
    if computes:
        return f"nobody drives its run: rpd resume {run_id}, or rpd gc --yes"
    if "compute" in owed:
        return f"stopped, and its run has not seen that: rpd resume {run_id}"
    if entry.outcome is None:
        return f"waits for its run: rpd resume {run_id}"
    return None


def _note_owed(known: Known, debt: DebtChange, status: str, is_unborn: bool) -> str:
    run_id = known.entry.run_id
    if known.holder is not None:
        return f"pid {known.holder.pid} looks after it"
    if status == NOT_KNOWN:
        return "its cloud was not reached"
    if debt.kind == "storage":
        return f"owed for its disk, and gone: rpd release {run_id} --delete   closes the debt"
    why = "its create may still show a pod" if is_unborn else "owed, and gone"
    return f"{why}: rpd gc --yes   proves its end"


def _may_be_named(pod: Pod, entry: Entry) -> bool:
    return bool(entry.workflow) and pod.name.startswith(f"rpd-{entry.workflow}-")


def _spent(facts: Facts | None, pod: PodFacts | None, now: Stamp) -> float | None:
    """What one pod of a run has cost, GPUs and running disks, as far as the run knows."""
    if facts is None or pod is None:
        return None
    disks = cost.running_disk_usd_per_hour(facts.job.pod.container_disk_gb, facts.volume_gb)
    spans = ((span.usd_per_hour + disks, lasted(pod, span, now)) for span in pod.spans)
    return round(sum(cost.usd(rate, seconds) for rate, seconds in spans), 6)


def _stored(debt: DebtChange) -> float:
    return round((debt.usd_per_hour or 0.0) * cost.HOURS_PER_MONTH, 2) if debt.kind == "storage" else 0.0


def journal_entries(entries: Sequence[Entry]) -> list[Entry]:
    """The same entries. Those that owe and cannot be driven are marked as in trouble."""
    return [understood(entry) for entry in entries]
