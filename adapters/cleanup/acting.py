"""What `rpd gc` does about one run, and the result."""

from __future__ import annotations

from pathlib import Path

from rpd.adapters.access.gate import own_journal
from rpd.adapters.cleanup.accounts import Account
from rpd.adapters.cleanup.rows import GcRow
from rpd.adapters.disposal.giveback import delete_pod, release_and_prove
from rpd.adapters.disposal.suspects import AT_REST, is_kept_up, owes_compute, suspects, understood
from rpd.adapters.disposal.unrecorded import afterwards, stop_unrecorded
from rpd.adapters.driving.resuming import resume_journal
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.own_log import keep_trace
from rpd.adapters.local.patience import Patience
from rpd.engine.errors import RpdError
from rpd.engine.ports import Request
from rpd.journal.errors import JournalError, JournalLocked, JournalUnwritable
from rpd.journal.index import Index
from rpd.journal.reader import read
from rpd.states.operations.pod import StopPod
from rpd.states.ports.exits import Exit
from rpd.states.ports.names import State
from rpd.states.shared.preserve import is_kept


def act_on(row: GcRow, account: Account | None, patience: Patience) -> None:
    """Act on one run. A failure does not stop the other runs."""
    try:
        try:
            _release(row, account, patience)
        except JournalUnwritable as error:
            _stop_unrecorded(row, account, patience, error)
    except JournalLocked:
        row.result, row.is_spared = "spared: another process drives it now", True
    except (JournalError, RpdError) as error:
        row.result, row.next = f"failed: {error.message}", error.hint or row.next
    except Exception as error:  # a fault of this program at one journal must not affect the debts of the others
        keep_trace(error, f"rpd gc at run {row.run_id}")
        row.result = f"failed: internal error: {error}"
    if patience.leaving is not None and not row.is_done:
        row.next = row.next or "rpd gc --yes   goes on with it"
        if account is not None and patience.leaving.exit_code == Exit.STILL_BILLING:
            account.problem = account.problem or patience.leaving.why


def _release(row: GcRow, account: Account | None, patience: Patience) -> None:
    path = own_journal(Path(row.journal))
    entry = understood(Index(state_home()).refresh(path))
    if entry.problem or not owes_compute(entry):
        if account is None or account.access is None or account.problem:
            row.result = "failed: its cloud cannot be reached"
            return
        cloud, interval = account.cloud(patience), account.access.profile.proof_interval_seconds
        done = []
        for found in suspects(entry, account.pods):
            pod = found.pod
            if found.how == "stop":
                done.append(f"pod {pod.id}: {release_and_prove(cloud, StopPod(pod.id), interval, patience)}")
            else:
                proof = delete_pod(path, account.access, cloud, pod.id, pod.name, command="rpd gc", patience=patience)
                done.append(f"pod {pod.id} deleted: {proof}")
        row.result, row.is_done = "; ".join(done) or "nothing of it computes any more", True
        return
    inspection = Inspection(read(path), SystemClock().now())
    # If a pod is kept up on purpose, the run itself gives back the other pods.
    is_only_beside = is_kept_up(inspection.facts, inspection.now) and row.pod_status not in AT_REST
    request = None if is_only_beside else Request("gc", "rpd gc", {})
    code = resume_journal(path, "rpd gc", as_json=False, request=request, quiet=True, patience=patience)
    _conclude(row, path, code)


def _stop_unrecorded(row: GcRow, account: Account | None, patience: Patience, error: JournalUnwritable) -> None:
    """No record can be written. If no job can run, rpd stops what the journal names. The debt stays open until a later
    gc can record the proof."""
    path = Path(row.journal)
    entry = Index(state_home()).refresh(path)
    row.result, row.next = f"failed: {error.message}", afterwards(error, "rpd gc --yes")
    if account is None or account.access is None:
        return
    if entry.state in (State.LAUNCH, State.MONITOR):
        row.next += "" if row.pod_status in AT_REST else f"; or   rpd cancel {row.run_id}   ends the job"
        return
    inspection = Inspection(read(path), SystemClock().now())
    pod = inspection.facts.pod
    has_kept = pod is not None and row.pod_status not in AT_REST and is_kept_up(inspection.facts, inspection.now)
    kept_id = pod.id if pod is not None and has_kept else None
    done = stop_unrecorded(path, account.access, "rpd gc", patience, kept_id=kept_id)
    if done.results:
        row.result = f"{', '.join(done.results)}; no record of it was written: {error.message}"
    if done.is_at_rest:
        row.pod_status, row.released_by = "EXITED" if row.pod_id else None, None


def _conclude(row: GcRow, path: Path, code: int) -> None:
    inspection = Inspection(read(path), SystemClock().now())
    facts = inspection.facts
    row.state, row.released_by = str(facts.state), inspection.released_by()
    row.is_done = not facts.debts.compute
    row.is_spared = is_kept(facts, inspection.now)
    pod = inspection.pod()
    row.pod_status = pod["status"] if pod is not None else None
    if facts.debts.compute:
        left = inspection.snapshot.left
        row.result = left.why if left else f"still open (rpd's exit code {code})"
        if row.is_spared:
            row.next = f"rpd release {row.run_id}"
    elif facts.report.outcome is None:
        row.result, row.next = "stopped; results wait in it", f"rpd resume {row.run_id}"
    else:
        row.result = f"released; the run ends {facts.report.outcome}"
        if facts.debts.storage:
            row.next = f"rpd release {row.run_id} --delete"
