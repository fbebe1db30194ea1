"""Give one pod back outside the loop of its run: a stopped pod of a finished run, or a pod that appeared after its run
was over. The protocol is the same: intent, effect, proof, outcome."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from rpd.adapters.access.clouds import Access
from rpd.adapters.access.opening import open_journal
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.own_log import logger
from rpd.adapters.local.patience import Patience
from rpd.engine.errors import Ambiguous, Interrupted, NotSent, RpdError, Unavailable, UserError
from rpd.engine.operation import Result
from rpd.engine.protocol import intent_of, outcome_of
from rpd.journal.index import Index
from rpd.journal.reader import read
from rpd.journal.records import Body, DebtChange
from rpd.journal.store import Journal
from rpd.states.facts import Facts
from rpd.states.facts.release import CLEAN_SURVEYS_MIN, Proof
from rpd.states.operations.pod import Accepted, DeletePod, GiveBack, StopPod
from rpd.states.policy import cost
from rpd.states.policy.twin import known_ids
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import State
from rpd.states.ports.world import Cloud

TRIES_MAX = 10
TROUBLES_MAX = 5
"""After this many failed calls, each tried several times by the client, rpd gives up on the cloud."""


class StillThere(RpdError):
    """The cloud did not let go of the pod in time. The debt stays open."""

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
    """Delete one pod of this journal's run, and prove it. This closes every debt of that pod under its name in the
    journal; if the journal has none, under the given name, unless that name belongs to another pod id. Returns the
    proof.

    Raises JournalError, StillThere, the cloud's own refusal, or UserError if another run has the pod now.
    """
    with _indexed(open_journal(journal_path, access, command)) as journal:
        inspection = Inspection(read(journal.path), SystemClock().now())
        _require_ours_still(inspection.facts, pod_id)
        known = known_ids(inspection.facts)
        called = next((each for each, known_id in known.items() if known_id == pod_id), name)
        is_meant = known.get(called) in (None, pod_id)
        debts = [key for key in inspection.snapshot.debts if key[0] == called and is_meant]

        def closed(proof: str) -> tuple[DebtChange, ...]:
            return tuple(DebtChange(key, kind, "close", proof=proof) for key, kind in debts)  # type: ignore[arg-type]

        interval = access.profile.proof_interval_seconds
        return _act(journal.append, cloud, DeletePod(pod_id), closed, interval, patience)


def stop_pod(
    journal_path: Path,
    access: Access,
    cloud: Cloud,
    pod_id: str,
    *,
    command: str,
    patience: Patience | None = None,
) -> str:
    """Stop one pod that the journal of a finished run names, and prove it. Its disk is owed from then on. Returns the
    proof.

    Raises JournalError, StillThere, the cloud's own refusal, or UserError if another run has the pod now, or if the
    journal does not name it: its stopped disk would bill without a debt.
    """
    with _indexed(open_journal(journal_path, access, command)) as journal:
        inspection = Inspection(read(journal.path), SystemClock().now())
        _require_ours_still(inspection.facts, pod_id)
        name = next((each for each, known_id in known_ids(inspection.facts).items() if known_id == pod_id), None)
        if name is None:
            raise UserError(
                f"pod {pod_id} appeared after its run had given it up; nothing was done in it",
                hint=f"rpd pod delete {pod_id}",
            )
        debts = inspection.snapshot.debts
        rate = round(cost.stopped_usd_per_hour(inspection.facts.volume_gb), 6)

        def kept(proof: str) -> tuple[DebtChange, ...]:
            is_owed, is_kept = (name, "compute") in debts, (name, "storage") in debts
            closed = [DebtChange(name, "compute", "close", proof=proof)] if is_owed else []
            opened = [] if is_kept else [DebtChange(name, "storage", "open", usd_per_hour=rate)]
            return (*closed, *opened)

        return _act(journal.append, cloud, StopPod(pod_id), kept, access.profile.proof_interval_seconds, patience)


def _require_ours_still(facts: Facts, pod_id: str) -> None:
    """Pass unless another run has taken the pod up: its job may be in it. Only under the lock of this journal is that
    sure, and much time may have passed since a person was asked. Raises UserError."""
    for name, to_run in facts.lineage.handed_over.items():
        if name in facts.pods and facts.pods[name].id == pod_id:
            raise UserError(
                f"pod {pod_id} is run {to_run}'s now; nothing was done to it",
                reason=Fault.HANDED_OVER,
                hint=f"rpd inspect {to_run}",
            )


def stop_owed(record: Callable[[Body], object], access: Access, cloud: Cloud, facts: Facts) -> None:
    """Stop every pod that this run owes, and prove it, without the loop. It is for a loop that cannot go on. A pod that
    could not be stopped stays owed."""
    rate = round(cost.stopped_usd_per_hour(facts.volume_gb), 6)
    owed = [(pod.name, pod.id) for pod in facts.pods.values() if pod.id is not None and pod.name in facts.debts.compute]
    for name, pod_id in owed:

        def kept(proof: str, name: str = name) -> tuple[DebtChange, ...]:
            return (
                DebtChange(name, "compute", "close", proof=proof),
                DebtChange(name, "storage", "open", usd_per_hour=rate),
            )

        with contextlib.suppress(RpdError):
            _act(record, cloud, StopPod(pod_id), kept, access.profile.proof_interval_seconds)


def _act(
    record: Callable[[Body], object],
    cloud: Cloud,
    effect: GiveBack,
    debts: Callable[[str], tuple[DebtChange, ...]],
    interval_seconds: float,
    patience: Patience | None = None,
) -> str:
    """Intent, effect with its proof, outcome. Returns the proof. Raises the errors of `release_and_prove` after
    recording them, and the errors of `record`."""
    intent = intent_of(effect, f"late-{secrets.token_hex(4)}-{effect.name}", State.RELEASE)
    reported = Accepted(effect.pod_id)
    record(intent)
    try:
        proof = release_and_prove(cloud, effect, interval_seconds, patience)
    except RpdError as error:
        failed = Result("failed", reported, reason=error.reason, error=error.message, retryable=True)
        record(outcome_of(intent, failed))
        raise
    record(outcome_of(intent, Result(answer=reported, debts=debts(proof))))
    return proof


@contextlib.contextmanager
def _indexed(journal: Journal) -> Iterator[Journal]:
    """Close the journal in the end, and update the index with its content."""
    try:
        with journal:
            yield journal
    finally:
        Index(state_home()).refresh(journal.path)


def release_and_prove(cloud: Cloud, effect: GiveBack, interval_seconds: float, patience: Patience | None = None) -> str:
    """Repeat the order until the pod was seen at rest often and long enough. Returns the proof in words. Raises
    StillThere, Interrupted, or the cloud's own refusal."""
    clock = SystemClock()
    control = ProcessControl(patience=patience)
    proof, troubles = Proof(), 0
    for _ in range(TRIES_MAX * CLEAN_SURVEYS_MIN):
        if control.patience.leaving is not None:
            raise Interrupted(control.patience.leaving.why, reason=Fault.INTERRUPTED)
        try:
            if not proof.surveys:
                effect.tell(cloud)
            is_clean = effect.is_done(cloud.get(effect.pod_id))
        except (NotSent, Ambiguous, Unavailable):
            proof, troubles = Proof(), troubles + 1
            if troubles >= TROUBLES_MAX:
                raise
        else:
            now = clock.now()
            proof = proof.again(now) if is_clean else Proof()
            if proof.lasts(interval_seconds, now):
                text = proof.text(f"{effect.proved} by id", now)
                logger("pod").info("%s of pod %s is proved: %s", effect.noun, effect.pod_id, text)
                return text
        control.wait(max(interval_seconds / 2.0, 0.1))
    raise StillThere(f"pod {effect.pod_id} is still there", hint="rpd gc --yes")
