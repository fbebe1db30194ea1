"""End a run if no record can be written (full disk, read-only folder). rpd stops the rented pods all the same when a
person wants the end, and reports what may bill. The debts stay open until a later command records the proof."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rpd.adapters.access.clouds import Access
from rpd.adapters.access.gate import recorded_access
from rpd.adapters.disposal.giveback import release_and_prove
from rpd.adapters.disposal.suspects import named, owed_elsewhere
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import OWN_SECONDS, Patience
from rpd.adapters.report.ending import debt_lines
from rpd.adapters.terminal import output
from rpd.engine.errors import RpdError, UserError
from rpd.engine.ports import Request
from rpd.journal.disk import OsDisk
from rpd.journal.errors import JournalLocked, JournalUnwritable
from rpd.journal.index import Index
from rpd.journal.lock import Lock, Owner, holder
from rpd.journal.reader import read
from rpd.states.operations.pod import StopPod
from rpd.states.policy.manifest import utc
from rpd.states.ports.exits import Exit
from rpd.states.shared.preserve import is_kept


class Stopped(msgspec.Struct, frozen=True):
    """What was done. `results` has a sentence for each pod. `is_at_rest` is true when every pod that the journal owes
    was proved stopped."""

    results: tuple[str, ...]
    is_at_rest: bool


def stop_unrecorded(
    path: Path, access: Access, command: str, patience: Patience, *, kept_id: str | None = None
) -> Stopped:
    """Stop every pod that this run's journal names, and prove it. A pod that is kept up on purpose (`kept_id`) computes
    on. If one pod cannot be stopped, the others are stopped all the same. Raises JournalLocked while an engine drives
    the run."""
    from rpd.adapters.wiring import cloud_for

    with _locked(path, command):
        cloud, interval = cloud_for(access, ProcessControl(patience=patience)), access.profile.proof_interval_seconds
        entry = Index(state_home()).refresh(path)
        owed = {debt.key for debt in entry.debts if debt.kind == "compute"} - owed_elsewhere(entry)
        facts = Inspection(read(path), SystemClock().now()).facts
        targets = {pod.id: name for name, pod in facts.pods.items() if pod.id is not None and name in owed}
        results: list[str] = []
        try:
            targets = {pod.id: pod.name for pod in named(entry, cloud.list())} | targets
            is_at_rest = kept_id is None and owed <= set(targets.values())
        except RpdError as error:
            results.append(error.message)
            is_at_rest = False
        for pod_id in (each for each in targets if each != kept_id):
            try:
                results.append(f"pod {pod_id} {release_and_prove(cloud, StopPod(pod_id), interval, patience)}")
            except RpdError as error:
                results.append(f"pod {pod_id} is not proved stopped: {error.message}")
                is_at_rest = False
        return Stopped(tuple(results), is_at_rest)


@contextlib.contextmanager
def _locked(path: Path, command: str) -> Iterator[None]:
    """No process begins to drive the run in this block. If not even this process can open the lock, no process can.
    Raises JournalLocked."""
    lock = None
    try:
        lock = Lock.take(OsDisk(), path, Owner.here(command))
    except JournalUnwritable:
        if (owner := holder(path)) is not None:
            raise JournalLocked(f"journal in use by pid {owner.pid} on host {owner.host}") from None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def end_unrecorded(path: Path, request: Request, error: JournalUnwritable, *, as_json: bool) -> Exception:
    """No record can be written, and a person wants the run ended: stop its pods, and do not delete them. A pod that a
    person wants kept up stays up. Returns what to report. Raises JournalLocked while an engine drives the run."""
    facts = Inspection(read(path), SystemClock().now()).facts
    again = afterwards(error, words(request, facts.run_id))
    if request.detail.get("how") == "preserve":
        hint = f"{again}; or   rpd cancel {facts.run_id}   stops the pod without a record"
        return unwritable(path, error.message, hint, as_json=as_json)
    if not facts.debts.compute:
        return error
    output.note([f"no record can be written: {error.message}", "stopping what the run rented all the same"])
    try:
        done = stop_unrecorded(path, recorded_access(path), request.by, Patience(OWN_SECONDS))
    except KeyboardInterrupt:
        done = Stopped(("interrupted before it was proved stopped",), is_at_rest=False)
    if done.is_at_rest:
        results = f"{', '.join(done.results) or 'nothing of it computes'}; no record of it was written"
        hint = f"{again}   writes it down"
        return UserError(results, exit_code=Exit.JOURNAL, reason="journal_unwritable", hint=hint)
    results = ", ".join(done.results) or "none of its pods is listed; one may still appear"
    problem = unwritable(path, results, f"{again}; or the same again now", as_json=as_json)
    problem.exit_code = Exit.STILL_BILLING  # also if a pod was kept up: a person wants the run ended
    return problem


def unwritable(path: Path, message: str, hint: str, *, as_json: bool) -> UserError:
    """The error for a run whose journal takes no record. It says what may bill, and then has exit code 8."""
    inspection = Inspection(read(path), SystemClock().now())
    facts = inspection.facts
    if facts.debts.compute and not as_json:
        output.note(debt_lines(facts, inspection.now))
    is_owed = bool(facts.debts.compute) and not is_kept(facts, inspection.now)
    code = Exit.STILL_BILLING if is_owed else Exit.JOURNAL
    return UserError(message, exit_code=code, reason="journal_unwritable", hint=hint)


def afterwards(error: JournalUnwritable, command: str) -> str:
    """What to do about it, and the command that then goes on."""
    return f"{error.hint or 'mend that'}, then   {command}"


def words(request: Request, run_id: str) -> str:
    """The command that asks for this, to be typed again."""
    match request.detail:
        case {"how": "preserve", "until": float(until)}:
            return f"{request.by} {run_id} --keep-until {utc(until)}"
        case {"how": "stop" | "delete" as how}:
            return f"{request.by} {run_id} --{how}"
        case _:
            return f"{request.by} {run_id}"
