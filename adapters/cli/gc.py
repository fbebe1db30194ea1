"""`rpd gc`: close every open compute debt that is provably ours. Plan first; `--yes` acts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.cli import output
from rpd.adapters.cli.giveback import delete_pod, stop_and_prove
from rpd.adapters.cli.runs import note_strays
from rpd.adapters.cli.stopped import Stopped, release_stopped, stopped_page, stopped_rows
from rpd.adapters.cli.suspects import AT_REST, owes_compute, suspects
from rpd.adapters.cli.unrecorded import afterwards, stop_unrecorded
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.clouds import Access, recorded_access
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.report.inspection import Inspection
from rpd.adapters.report.words import clock, money, one_line, rate
from rpd.engine.errors import RpdError
from rpd.engine.ports import Request
from rpd.journal.errors import JournalError, JournalLocked, JournalUnwritable
from rpd.journal.index import Entry, Index
from rpd.journal.lock import holder
from rpd.journal.reader import read
from rpd.states.exits import Exit
from rpd.states.facts import Facts
from rpd.states.names import BEFORE_LAUNCH, State
from rpd.states.preserve import is_kept
from rpd.states.world import Pod


class Row(msgspec.Struct):
    """One run with something to do. `is_done` when, as far as gc goes, nothing computes against anybody's will."""

    run_id: str
    journal: str
    state: str | None
    plan: str
    pod_id: str | None = None
    pod_status: str | None = None
    usd_per_hour: float | None = None
    released_by: dict[str, Any] | None = None
    result: str = "planned"
    next: str | None = None
    is_done: bool = False
    is_spared: bool = False


class Account:
    """One cloud as a journal names it, listed once."""

    def __init__(self, cloud: dict[str, str]) -> None:
        self.name = f"{cloud.get('name')} ({cloud.get('home') or cloud.get('url')})"
        self.problem: str | None = None
        self.pods: tuple[Pod, ...] = ()
        try:
            self.access: Access | None = recorded_access(cloud)
            from rpd.adapters.wiring import cloud_for

            self.cloud = cloud_for(self.access, ProcessControl())
            self.pods = self.cloud.list()
        except RpdError as error:
            self.access, self.problem = None, error.message


class Wanted(msgspec.Struct, frozen=True):
    """What a person asked for beside compute: stopped pods of finished runs (`older_than_seconds` old), pods of others
    by id, one workflow only."""

    stopped: bool = False
    older_than_seconds: float | None = None
    adopt: tuple[str, ...] = ()
    workflow: str | None = None

    def of(self, entries: list[Entry]) -> list[Entry]:
        """The runs that are meant."""
        return [entry for entry in entries if self.workflow in (None, entry.workflow)]


def collect_garbage(wanted: Wanted, *, act: bool, as_json: bool) -> int:
    """Exit code 8 while a job that was spared is alive or a debt is open; else 0."""
    home = state_home()
    index = Index(home)
    everything = index.entries()
    entries = wanted.of(everything)
    note_strays(index)
    accounts = _accounts(entries)
    rows = [row for entry in entries if (row := _planned(entry, accounts)) is not None]
    if act:
        for row in rows:
            _act(row, accounts)
    foreign = _foreign(everything, accounts)
    stopped = stopped_rows(wanted.of(index.entries()) if act and rows else entries)
    failed = 0
    if act:
        failed += sum(not release_stopped(row) for row in stopped if row.is_wanted(wanted))
        failed += _adopt(wanted.adopt, foreign, accounts)
    unreachable = [f"{account.name}: {account.problem}" for account in accounts.values() if account.problem]
    code = 0 if all(row.is_done or row.is_spared for row in rows) and not failed else Exit.STILL_BILLING
    document = {
        "schema": "rpd.gc/1",
        "acted": act,
        "runs": [msgspec.to_builtins(row) for row in rows],
        "foreign": foreign,
        "stopped": [row.document() for row in stopped],
        "stopped_usd_per_month": round(sum(row.usd_per_month for row in stopped if not row.is_released), 2),
        "unreachable": unreachable,
        "exit_code": code,
    }
    if as_json:
        output.answer(document)
    else:
        output.text([one_line(line) for line in _page(rows, foreign, stopped, unreachable, act=act)])
    return code


# Planning.


def _key(cloud: dict[str, str]) -> str:
    return cloud.get("home") or cloud.get("url", "")


def _accounts(entries: list[Entry]) -> dict[str, Account]:
    """Every cloud with an open debt, or whose journals may still get a late pod and which is up without our doing."""
    accounts: dict[str, Account] = {}
    for entry in entries:
        owes = owes_compute(entry) or bool(entry.problem)
        if entry.cloud and _key(entry.cloud) not in accounts and (owes or _is_up(entry.cloud)):
            accounts[_key(entry.cloud)] = Account(dict(entry.cloud))
    return accounts


def _is_up(cloud: dict[str, str]) -> bool:
    """A sandbox is not started only to be looked at; RunPod is looked at whenever a key is at hand."""
    if "home" not in cloud:
        return not cloud.get("url", "").startswith("http://")
    from rpd.adapters.sandbox import daemon

    return daemon.find(Path(cloud["home"])) is not None


def _planned(entry: Entry, accounts: dict[str, Account]) -> Row | None:
    """The plan for one run; a journal that makes no sense does not hide the others."""
    try:
        return _plan(entry, accounts)
    except (JournalError, RpdError, msgspec.MsgspecError) as error:
        return Row(entry.run_id, entry.journal, entry.state, f"look at it yourself: {error}")


def _plan(entry: Entry, accounts: dict[str, Account]) -> Row | None:
    path = Path(entry.journal)
    account = accounts.get(_key(entry.cloud)) if entry.cloud else None
    if entry.problem or not owes_compute(entry):
        return _plan_undriven(entry, account)
    inspection = Inspection(read(path), SystemClock().now())
    facts = inspection.facts
    row = Row(entry.run_id, entry.journal, str(facts.state), _plan_words(facts), released_by=inspection.released_by())
    if facts.pod is not None:
        row.pod_id, row.usd_per_hour = facts.pod.id, facts.pod.usd_per_hour
        seen = next((pod for pod in account.pods if pod.id == facts.pod.id), None) if account else None
        row.pod_status = seen.status if seen else None
    owner = holder(path)
    if owner is not None:
        row.plan, row.is_spared = f"spare: driven by pid {owner.pid} on {owner.host}", True
    elif is_kept(facts, inspection.now) and facts.pod is not None and row.pod_status not in AT_REST:
        kept = clock(facts.pod.kept_until or 0.0)
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


def _plan_undriven(entry: Entry, account: Account | None) -> Row | None:
    """A run that no loop can or need drive: what matters is what of it computes all the same."""
    if owes_compute(entry) and (account is None or account.access is None):
        plan = f"stop what it rented: its journal cannot be driven ({entry.problem})"
        return Row(entry.run_id, entry.journal, entry.state, plan)
    found = suspects(entry, account.pods if account is not None else ())
    if not found:
        return None
    pod, plan = found[0].pod, f"{found[0].how}: {found[0].why}"
    return Row(entry.run_id, entry.journal, entry.state, plan, pod.id, pod.status, pod.usd_per_hour)


# Acting.


def _act(row: Row, accounts: dict[str, Account]) -> None:
    """One run; what goes wrong with it does not stop the others."""
    if row.is_spared:
        row.result = row.plan.replace("spare", "spared", 1)
        return
    try:
        try:
            _release(row, accounts)
        except JournalUnwritable as error:
            _stop_unrecorded(row, accounts, error)
    except JournalLocked:
        row.result, row.is_spared = "spared: another process drives it now", True
    except (JournalError, RpdError) as error:
        row.result = f"failed: {error.message}"


def _release(row: Row, accounts: dict[str, Account]) -> None:
    from rpd.adapters.cli.resume import take_over

    path = Path(row.journal)
    entry = Index(state_home()).refresh(path)
    account = accounts.get(_key(entry.cloud))
    if entry.problem or not owes_compute(entry):
        if account is None or account.access is None:
            row.result = "failed: its cloud cannot be reached"
            return
        interval = account.access.profile.proof_interval_seconds
        for found in suspects(entry, account.pods):
            pod = found.pod
            if found.how == "stop":
                row.result = f"pod {pod.id}: {stop_and_prove(account.cloud, pod.id, interval)}"
            else:
                proof = delete_pod(path, account.access, account.cloud, pod.id, pod.name, command="rpd gc")
                row.result = f"pod {pod.id} deleted: {proof}"
        row.is_done = True
        return
    code = take_over(path, "rpd gc", as_json=False, request=Request("gc", "rpd gc", {}), quiet=True)
    _conclude(row, path, code)


def _stop_unrecorded(row: Row, accounts: dict[str, Account], error: JournalUnwritable) -> None:
    """No record can be written: where no job can run, what the journal names is stopped all the same, and the debt
    stays open until a later gc can write down the proof."""
    path = Path(row.journal)
    entry = Index(state_home()).refresh(path)
    account = accounts.get(_key(entry.cloud))
    row.result, row.next = f"failed: {error.message}", afterwards(error, "rpd gc --yes")
    if account is None or account.access is None:
        return
    if entry.state in (State.LAUNCH, State.MONITOR):
        row.next += "" if row.pod_status in AT_REST else f"; or   rpd cancel {row.run_id}   ends the job"
        return
    done = stop_unrecorded(path, account.access, "rpd gc")
    if done.told:
        row.result = f"{', '.join(done.told)}; no record of it was written: {error.message}"
    if done.is_at_rest:
        row.pod_status, row.released_by = "EXITED" if row.pod_id else None, None


def _conclude(row: Row, path: Path, code: int) -> None:
    inspection = Inspection(read(path), SystemClock().now())
    facts = inspection.facts
    row.state, row.released_by = str(facts.state), inspection.released_by()
    row.is_done = not facts.compute_debts
    pod = inspection.pod()
    row.pod_status = pod["status"] if pod is not None else None
    if facts.compute_debts:
        left = inspection.snapshot.left
        row.result = left.why if left else f"still open (exit code {code})"
    elif facts.closed_outcome is None:
        row.result, row.next = "stopped; results wait in it", f"rpd resume {row.run_id}"
    else:
        row.result = f"released; the run ends {facts.closed_outcome}"
        if facts.storage_debts:
            row.next = f"rpd release {row.run_id} --delete"


# Telling.


def _foreign(entries: list[Entry], accounts: dict[str, Account]) -> list[dict[str, Any]]:
    """Pods with our prefix that no journal here accounts for: shown, never touched."""
    known = {entry.run_id for entry in entries if entry.cloud}  # one in ruins that names no cloud accounts for nothing
    return [
        {
            "id": pod.id,
            "name": pod.name,
            "status": pod.status,
            "owner": pod.env.get("RPD_OWNER"),
            "usd_per_hour": pod.usd_per_hour,
            "created_at": pod.created_at,
        }
        for account in accounts.values()
        for pod in account.pods
        if pod.name.startswith("rpd-") and pod.env.get("RPD_RUN_ID") not in known and pod.status not in AT_REST
    ]


def _adopt(ids: tuple[str, ...], foreign: list[dict[str, Any]], accounts: dict[str, Account]) -> int:
    """Stop pods of others that a person named; how many could not be."""
    failed = 0
    known = {pod["id"]: pod for pod in foreign}
    for pod_id in ids:
        pod = known.get(pod_id)
        account = next((each for each in accounts.values() if any(pod.id == pod_id for pod in each.pods)), None)
        if pod is None or account is None or account.access is None:
            output.note([f"--adopt {pod_id}: no pod of others with our prefix has this id"])
            failed += 1
            continue
        try:
            proof = stop_and_prove(account.cloud, pod_id, account.access.profile.proof_interval_seconds)
            pod["result"] = proof
        except RpdError as error:
            pod["result"] = f"failed: {error.message}"
            failed += 1
    return failed


def _page(
    rows: list[Row], foreign: list[dict[str, Any]], stopped: list[Stopped], unreachable: list[str], *, act: bool
) -> list[str]:
    lines = []
    for row in rows:
        bills = "" if row.pod_status in AT_REST else f" {rate(row.usd_per_hour or 0.0)}"
        where = f"pod {row.pod_id} {row.pod_status or ''}{bills}" if row.pod_id else "no pod known"
        lines.append(f"{row.run_id}  {row.state or '-'}  {where}")
        lines.append(f"    {row.result if act else row.plan}")
        if row.next:
            lines.append(f"    next: {row.next}")
        if not row.is_done and row.released_by and row.released_by["at"]:
            worst = money(row.released_by["worst_case_usd"])
            lines.append(f"    its switch releases it at {row.released_by['at']}; worst case {worst}")
    if not rows:
        lines.append("nothing computes that is ours to release")
    for pod in foreign:
        whose = f"of {pod['owner'] or 'unknown'}, since {pod['created_at']}"
        lines.append(
            f"not ours to touch: {pod['id']} {pod['name']} {pod['status']} {rate(pod['usd_per_hour'])} {whose}"
        )
        lines.append(f"    {pod.get('result') or 'rpd gc --yes --adopt ' + pod['id'] + '   stops it'}")
    lines += stopped_page(stopped)
    lines += [f"could not reach {text}" for text in unreachable]
    if rows and not act:
        lines.append("nothing was done; rpd gc --yes acts")
    return lines
