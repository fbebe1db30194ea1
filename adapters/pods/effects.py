"""Stop, delete or start one pod. Every effect goes through the journal of its run: a live engine is asked, a dead one
is replaced, and the pod of a finished run is given back with intent, proof and outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from rpd.adapters.access.gate import recorded_access
from rpd.adapters.disposal.account import require_own_account
from rpd.adapters.disposal.giveback import delete_pod, stop_pod
from rpd.adapters.driving.ending import end_run, report_run
from rpd.adapters.driving.resuming import resume_journal
from rpd.adapters.forensics.inspection import facts_of
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import OWN_SECONDS, Patience
from rpd.adapters.pods.joining import Joined, Known, results_of
from rpd.adapters.pods.row import PodRow
from rpd.adapters.runpod.cloud import unlocking
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.engine.ports import Request
from rpd.journal.index import Index
from rpd.journal.lock import holder
from rpd.journal.reader import read
from rpd.states.facts import Facts
from rpd.states.policy.reuse import handed_over_pods
from rpd.states.ports.exits import Exit

How = Literal["stop", "delete"]


class Ours(NamedTuple):
    """A listed pod that a sound journal of this state home accounts for."""

    row: PodRow
    known: Known
    facts: Facts

    @property
    def path(self) -> Path:
        """Its journal."""
        return Path(self.known.entry.journal)

    @property
    def is_over(self) -> bool:
        """Its run is over."""
        return self.known.entry.outcome is not None


def require_ours(pod: Joined) -> Ours:
    """The pod, if rpd may act on it. Raises UserError, with what to type instead."""
    row, known = pod.row, pod.known
    if not row.owner.is_ours or known is None:
        raise _refused(row)
    entry = known.entry
    if known.facts is None:
        raise UserError(
            f"the journal of run {entry.run_id}, whose pod this is, cannot be driven ({entry.problem or 'unreadable'})",
            exit_code=Exit.JOURNAL,
            reason="journal_in_trouble",
            hint=f"rpd salvage {entry.run_id}   releases what it owes; rpd gc --yes   stops what computes",
        )
    if not row.is_listed:
        raise UserError(f"pod {row.id or row.name}: {row.note}", reason="not_listed", hint="rpd gc")
    return Ours(row, known, known.facts)


def give_back(pod: Ours, how: How, *, as_json: bool) -> int:
    """Stop or delete the pod, and prove it. Exit code 0 if nothing of its run computes any more, 8 if something may.
    Raises UserError, RpdError, JournalError."""
    require_possible(pod, how)
    if not pod.is_over:
        # Its hints name the command that does the same for a run.
        return end_run(pod.path, Request("release", "rpd release", {"how": how}), as_json=as_json)
    from rpd.adapters.wiring import cloud_of_run

    assert pod.row.id is not None, "it is listed"
    patience, access = Patience(OWN_SECONDS), recorded_access(pod.path)
    require_own_account(pod.facts, access, patience)
    control, facts = ProcessControl(patience=patience), pod.facts
    cloud = cloud_of_run(facts.opened, facts.run_id, access, control, handed_over=handed_over_pods(facts))
    command = f"rpd pod {how}"
    if how == "delete":
        proof = delete_pod(pod.path, access, cloud, pod.row.id, pod.row.name, command=command, patience=patience)
    else:
        proof = stop_pod(pod.path, access, cloud, pod.row.id, command=command, patience=patience)
    output.note([f"pod {pod.row.id} {'deleted' if how == 'delete' else 'stopped'}: {proof}"])
    return report_run(pod.path, as_json=as_json)


def anew(pod: Ours, how: How, *, yes: bool) -> Ours:
    """The same pod with what its journal says now: time has passed at the question. Raises UserError if a delete would
    destroy results of which the person was not told, and JournalError."""
    entry = Index(state_home()).refresh(pod.path)
    facts = facts_of(read(pod.path))
    now = Ours(pod.row, pod.known._replace(entry=entry, facts=facts, holder=holder(pod.path)), facts)
    is_new = results_of(facts, pod.row.id) == "not_collected" and pod.row.results in ("none", "collected")
    if how == "delete" and is_new and not yes:
        raise UserError(
            f"a job was launched in pod {pod.row.id} meanwhile; nothing was done",
            reason="changed",
            hint=f"rpd pod delete {pod.row.id}",
        )
    return now


def require_possible(pod: Ours, how: How) -> None:
    """Pass if this effect can be done to this pod now. Raises UserError."""
    row, run_id = pod.row, pod.facts.run_id
    if row.is_locked:
        raise UserError(
            f"pod {row.id} is locked in the account, so nothing can {how} it; nothing was done",
            exit_code=Exit.STILL_BILLING if row.computes else Exit.USAGE,
            reason="locked",
            hint=unlocking(pod.facts.opened.cloud.get("url", ""), row.id or ""),
        )
    if not pod.is_over and (pod.facts.pod is None or pod.facts.pod.id != row.id):
        why = f"pid {pod.known.holder.pid} gives it back" if pod.known.holder is not None else "rpd gc --yes"
        raise UserError(f"pod {row.id} is not the pod in which run {run_id} works", reason="second_pod", hint=why)


def start(pod: Ours, *, as_json: bool) -> int:
    """Start a stopped pod by going on with its run, whose engine then owes its end. Raises UserError for the pod of a
    finished run: nothing would end it."""
    row, run_id = pod.row, pod.facts.run_id
    if pod.known.holder is not None:
        raise UserError(
            f"pid {pod.known.holder.pid} drives run {run_id}, and starts its pod when it needs it",
            reason="driven",
            hint=f"rpd logs -f {run_id}",
        )
    if pod.is_over:
        again = pod.facts.opened.config_path
        raise UserError(
            f"run {run_id} is over: nothing would end pod {row.id} if it were started",
            reason="run_over",
            hint=f"rpd run {again}   takes a paused pod of its file up, if it is as the file says",
        )
    output.note([f"pod {row.id} is started by going on with its run: rpd resume {run_id}"])
    return resume_journal(pod.path, "rpd pod start", as_json=as_json)


def _refused(row: PodRow) -> UserError:
    name = row.id or row.name
    if row.owner.kind == "other_rpd":
        whose = f"{row.owner.who or 'an unknown owner'} (run {row.owner.run_id or 'unknown'})"
        hint = f"rpd gc --yes --adopt {name}   stops it all the same" if row.computes else "ask its owner"
        return UserError(
            f"pod {name} belongs to {whose}, and no journal of this machine knows it", reason="not_ours", hint=hint
        )
    return UserError(
        f"pod {name} was not rented by rpd, so rpd does not touch it",
        reason="not_ours",
        hint=f"runpodctl pod get {name}, or RunPod's console",
    )
