"""How a record changes the facts. It accepts everything that a journal may hold: unknown records change nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rpd.engine.operation import Ended
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
from rpd.states.facts.run import Asked, Begun
from rpd.states.fold.moves import move_to, resume
from rpd.states.operations import EFFECTS, READINGS
from rpd.states.policy.outage import count, explain, note
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import State


def apply(facts: Facts, record: Record) -> None:
    """Fold one record. A record with `seq` -1 was seen but not written: it may only refresh facts that looks rebuild.
    Raises JournalStrange for a record that no run has written.
    """
    try:
        _apply(facts, record)
    except NONSENSE as error:
        raise JournalStrange(f"record {record.seq}", error) from error


def replayed(opened: Opened, records: Sequence[Record]) -> Facts:
    """The facts after all these records. The first record holds `opened`. Raises JournalStrange."""
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
            _outcome(facts, body, at)
        case Observation():
            _heed_owner(facts, body.reason)
            note(facts, body.op, body.error, body.reason, at)
            count(facts, body.op, body.error, body.reason, at)
            _observation(facts, body, at)
        case Transition():
            move_to(facts, body, at)
        case Requested():
            # Ctrl-C during `gc` stops gc, not the job that gc only asks about. And a run that cannot keep its journal
            # any more must end, whatever else is requested.
            means_gc = "gc" in facts.process.requests and body.what in ("interrupt", "terminate")
            if not (means_gc or facts.process.asked.storage_error):
                facts.process.requests.append(body.what)
                facts.process.requested_at = at
                facts.process.asked = Asked.of(body.detail)
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
    """Another owner acts in the pod: what was read there before is not valid any more."""
    if reason == Fault.TAKEN_OVER:
        facts.launch.was_taken_over, facts.launch.claim_is_fresh = True, False


def _tried(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    """An unknown outcome gives a cause, but only the result of its probe counts as a failure."""
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
    State(intent.state)
    facts.contact.tries[intent.op] = msgspec.structs.replace(facts.tried(intent.op), begun=at)
    kind = EFFECTS.get(intent.op)
    if kind is None:
        return
    effect = msgspec.convert(intent.args, kind)
    begun = facts.progress.begun
    for opid in [opid for opid, each in begun.items() if each.is_settled and each.effect.name == intent.op]:
        del begun[opid]
    begun[intent.opid] = Begun(effect, at)
    if kind.is_work and facts.pod is not None:
        facts.pod.was_used = True
    effect.begin(facts, intent.attempt, at)


def _outcome(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    """What became of an effect. If its intent is lost in a damaged journal, the outcome says nothing about the pod: the
    effect counts as never sent, and is sent again.
    """
    begun = facts.progress.begun.get(outcome.opid)
    if begun is None or begun.effect.name != outcome.op:
        return
    answer = msgspec.convert(outcome.data, begun.effect.answers) if outcome.status == "ok" else None
    begun.effect.end(facts, Ended(outcome, answer, begun.at, at))
    if outcome.status != "unknown" or outcome.settled:
        facts.progress.begun[outcome.opid] = msgspec.structs.replace(begun, is_settled=True)


def _observation(facts: Facts, observation: Observation, at: Stamp) -> None:
    kind = READINGS.get(observation.op)
    if kind is not None and observation.error is None:
        kind.saw(facts, msgspec.convert(observation.data, kind.answers), at)
    elif kind is not None:
        kind.missed(facts, observation, at)
