"""Giving one pod back outside a run's own loop: one that a finished run left stopped, or that appeared after its run
was over. Same protocol: intent, effect, proof, outcome."""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from rpd.adapters.access.clouds import Access
from rpd.adapters.access.opening import open_journal
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import Patience
from rpd.engine.errors import Ambiguous, Interrupted, NotSent, RpdError, Unavailable
from rpd.journal.index import Index
from rpd.journal.reader import read
from rpd.journal.records import Body, DebtChange, Intent, Outcome
from rpd.journal.store import Journal
from rpd.states.facts import Facts
from rpd.states.policy import cost
from rpd.states.policy.proof import CLEAN_SURVEYS_MIN
from rpd.states.policy.twin import known_ids
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import Op, State
from rpd.states.ports.world import Cloud, Pod

TRIES_MAX = 10
TROUBLES_MAX = 5
"""After so many calls that failed, each tried several times by the client, the cloud cannot be asked."""


class StillThere(RpdError):
    """The cloud did not let go of the pod in time; the debt stays open."""

    reason = "still_there"


def delete_pod(
    journal_path: Path,
    access: Access,
    cloud: Cloud,
    pod_id: str,
    name: str,
    *,
    command: str,
    patience: Patience | None = None,
) -> str:
    """Delete one pod of this journal's run and prove it; closes every debt of that pod, by what the journal calls it,
    else of that name, unless the journal knows that name by another pod's id. Returns the proof.

    Raises JournalError, StillThere, or the cloud's own refusal.
    """
    with _indexed(open_journal(journal_path, access, command)) as journal:
        inspection = Inspection(read(journal.path), SystemClock().now())
        known = known_ids(inspection.facts)
        called = next((each for each, known_id in known.items() if known_id == pod_id), name)
        is_meant = known.get(called) in (None, pod_id)
        debts = [key for key in inspection.snapshot.debts if key[0] == called and is_meant]

        def closed(proof: str) -> tuple[DebtChange, ...]:
            return tuple(DebtChange(key, kind, "close", proof=proof) for key, kind in debts)  # type: ignore[arg-type]

        effect = functools.partial(delete_and_prove, cloud, pod_id, access.profile.proof_interval_seconds, patience)
        return _act(journal.append, Op.DELETE_POD, pod_id, effect, closed)


def stop_owed(record: Callable[[Body], object], access: Access, cloud: Cloud, facts: Facts) -> None:
    """Stop every pod that this run owes and prove it, without the loop: for a loop that cannot go on. What could not be
    stopped stays owed.
    """
    rate = round(cost.stopped_usd_per_hour(facts.volume_gb), 6)
    owed = [(pod.name, pod.id) for pod in facts.pods.values() if pod.id is not None and pod.name in facts.debts.compute]
    for name, pod_id in owed:

        def kept(proof: str, name: str = name) -> tuple[DebtChange, ...]:
            return (
                DebtChange(name, "compute", "close", proof=proof),
                DebtChange(name, "storage", "open", usd_per_hour=rate),
            )

        stop = functools.partial(stop_and_prove, cloud, pod_id, access.profile.proof_interval_seconds)
        with contextlib.suppress(RpdError):
            _act(record, Op.STOP_POD, pod_id, stop, kept)


def _act(
    record: Callable[[Body], object],
    op: Op,
    pod_id: str,
    effect: Callable[[], str],
    debts: Callable[[str], tuple[DebtChange, ...]],
) -> str:
    """Intent, effect with its proof, outcome; returns the proof. Raises what the effect raises, once that is recorded,
    and what `record` raises."""
    opid, data = f"late-{secrets.token_hex(4)}-{op}", {"pod_id": pod_id}
    record(Intent(opid, op, State.RELEASE, data))
    try:
        proof = effect()
    except RpdError as error:
        record(Outcome(opid, op, "failed", error.reason, error.message, retryable=True, data=data))
        raise
    record(Outcome(opid, op, "ok", data=data, debts=debts(proof)))
    return proof


@contextlib.contextmanager
def _indexed(journal: Journal) -> Iterator[Journal]:
    """Close it in the end, and let the index know what it holds then."""
    try:
        with journal:
            yield journal
    finally:
        Index(state_home()).refresh(journal.path)


def delete_and_prove(cloud: Cloud, pod_id: str, interval_seconds: float, patience: Patience | None = None) -> str:
    """Delete until absence was seen often and long enough."""
    return _prove(cloud, pod_id, interval_seconds, patience, (None, "TERMINATED"), cloud.delete, "absent")


def stop_and_prove(cloud: Cloud, pod_id: str, interval_seconds: float, patience: Patience | None = None) -> str:
    """Stop until EXITED (or absence) was seen often and long enough."""
    return _prove(cloud, pod_id, interval_seconds, patience, (None, "TERMINATED", "EXITED"), cloud.stop, "stopped")


def _prove(
    cloud: Cloud,
    pod_id: str,
    interval_seconds: float,
    patience: Patience | None,
    wanted: tuple[str | None, ...],
    act: Callable[[str], None],
    word: str,
) -> str:
    clock = SystemClock()
    control = ProcessControl(patience=patience)
    clean, since = 0, clock.now().up
    troubles = 0
    for _ in range(TRIES_MAX * CLEAN_SURVEYS_MIN):
        if control.patience.leaving is not None:
            raise Interrupted(control.patience.leaving.why, reason=Fault.INTERRUPTED)
        try:
            if clean == 0:
                act(pod_id)
            pod: Pod | None = cloud.get(pod_id)
        except (NotSent, Ambiguous, Unavailable):
            clean, troubles = 0, troubles + 1
            if troubles >= TROUBLES_MAX:
                raise
        else:
            now = clock.now().up
            is_clean = (pod.status if pod is not None else None) in wanted
            clean = clean + 1 if is_clean else 0
            since = now if clean <= 1 else since
            if clean >= CLEAN_SURVEYS_MIN and now - since >= interval_seconds:
                return f"{word} by id, seen {clean} times over {now - since:.1f} s"
        control.wait(max(interval_seconds / 2.0, 0.1))
    raise StillThere(f"pod {pod_id} is still there", hint="rpd gc --yes")
