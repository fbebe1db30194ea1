"""How a record changes the facts. Total over everything a journal may hold: what it does not know it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rpd.journal.errors import NONSENSE, JournalStrange
from rpd.journal.records import (
    Closed,
    DebtChange,
    HandedOver,
    Intent,
    Observation,
    Opened,
    Outcome,
    Record,
    Requested,
    Resumed,
    Stamp,
    Transition,
)
from rpd.states.facts import Facts, new_facts
from rpd.states.facts.pod import Candidate, Origin, PodFacts
from rpd.states.facts.run import Asked, Begun
from rpd.states.fold_effects import OUTCOMES
from rpd.states.fold_looks import SEEN, failed_look
from rpd.states.fold_moves import move_to, resume
from rpd.states.outage import count, explain, note
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import Op
from rpd.states.shapes import require_shape
from rpd.states.twin import MAKER

WORK = frozenset({Op.RUN_STEP, Op.PLACE_SECRETS, Op.PUSH_TREE, Op.LAUNCH_JOB})
"""Operations after which a pod is not what it was before."""


def apply(facts: Facts, record: Record) -> None:
    """Fold one record. A record with `seq` -1 was seen but not written: it may only refresh what looks rebuild. Raises
    JournalStrange for one that no run has written."""
    try:
        require_shape(record.body)
        _apply(facts, record)
    except NONSENSE as error:
        raise JournalStrange(f"record {record.seq}", error) from error


def replayed(opened: Opened, records: Sequence[Record]) -> Facts:
    """The facts after all these records, the first of which holds `opened`. Raises JournalStrange."""
    facts = new_facts(opened, records[0].run)
    for record in records:
        apply(facts, record)
    return facts


def _apply(facts: Facts, record: Record) -> None:
    at = record.at
    if record.seq >= 0:
        facts.progress.seq, facts.progress.head, facts.process.epoch = record.seq, record.z, record.epoch
        if facts.progress.started is None:
            facts.progress.started = facts.progress.entered = facts.process.since = at
    body = record.body
    match body:
        case Intent():
            _intent(facts, body, at)
        case Outcome():
            _heed_owner(facts, body.reason)
            _tried(facts, body, at)
            handler = OUTCOMES.get(body.op)
            if handler is not None:
                begun = facts.progress.begun.get(body.op)
                handler(facts, begun or Begun(Intent(body.opid, body.op, facts.state), at), body, at)
        case Observation():
            _heed_owner(facts, body.reason)
            note(facts, body.op, body.error, body.reason, at)
            count(facts, body.op, body.error, body.reason, at)
            seen = SEEN.get(body.op)
            if seen is not None and body.error is None:
                seen(facts, body.data, at)
            elif body.error is not None:
                failed_look(facts, body, at)
        case Transition():
            move_to(facts, body, at)
        case Requested():
            # Who presses Ctrl-C at `gc` means gc, not the job that it only asks about. And a run that cannot keep its
            # journal any more has to end, whatever else is asked for.
            means_gc = "gc" in facts.process.requests and body.what in ("interrupt", "terminate")
            if not (means_gc or facts.process.asked.storage_error):
                facts.process.requests.append(body.what)
                facts.process.requested_at = at
                facts.process.asked = msgspec.convert(body.detail, Asked)
        case Opened():
            facts.process.owner = record.z
        case Resumed():
            facts.process.owner = record.z
            resume(facts, at)
        case HandedOver():
            facts.lineage.handed_over[body.key] = body.to_run
        case Closed():
            report = facts.report
            report.outcome, report.reason, report.exit_code = body.outcome, body.reason, body.exit_code
        case _:
            pass
    for change in getattr(body, "debts", ()):
        _debt(facts, change)


def _heed_owner(facts: Facts, reason: str | None) -> None:
    """Another owner acts in the pod: what was read there before does not hold any more."""
    if reason == Fault.TAKEN_OVER:
        facts.launch.was_taken_over, facts.launch.claim_is_fresh = True, False


def _tried(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    """An unknown outcome explains, but only its probe's word counts as a failure."""
    error = None if outcome.status == "ok" else outcome.error or outcome.reason or outcome.status
    note(facts, outcome.op, error, outcome.reason, at)
    if outcome.status == "unknown" and not outcome.settled:
        explain(facts, outcome.op, error, outcome.reason, at)
        return
    count(facts, outcome.op, error, outcome.reason, at)


def _debt(facts: Facts, change: DebtChange) -> None:
    debts = facts.debts.compute if change.kind == "compute" else facts.debts.storage
    if change.change == "open":
        debts[change.key] = change
    else:
        debts.pop(change.key, None)


def _intent(facts: Facts, intent: Intent, at: Stamp) -> None:
    facts.progress.begun[intent.op] = Begun(intent, at)
    facts.contact.tries[intent.op] = msgspec.structs.replace(facts.tried(intent.op), begun=at)
    if intent.op in WORK and facts.pod is not None:
        facts.pod.was_used = True
    if intent.op == Op.CREATE_POD:
        name = str(intent.args["order"]["name"])
        candidate = msgspec.convert(intent.args["candidate"], Candidate)
        origin = Origin(intent.attempt, candidate, at, at)
        origin.made_by = str(intent.args["order"].get("env", {}).get(MAKER, ""))
        facts.pods[name] = PodFacts(name, origin, float(intent.args["usd_per_hour"]))
        facts.pods[name].is_unknown = True
        facts.current = name
    elif intent.op in (Op.STOP_POD, Op.DELETE_POD):
        facts.debts.told[str(intent.args.get("pod_id"))] = facts.progress.seq
    elif intent.op == Op.ARM_SWITCH and facts.container.armed is not None:
        armed = facts.container.armed
        limit = max(armed.limit_at, float(intent.args["order"]["limit_at"]))  # until the pod says which holds
        facts.container.armed = msgspec.structs.replace(armed, limit_at=limit)
    elif intent.op == Op.NOTIFY:
        facts.report.noticed[str(intent.args["notice"]["what"])] = at
    elif intent.op == Op.PLACE_SECRETS and facts.pod is not None:
        facts.pod.container.secrets_left = "disk"  # until the pod says otherwise
    elif intent.op == Op.LAUNCH_JOB:
        facts.launch.intended = True
