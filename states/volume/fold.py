"""How a record changes what is known of an order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rpd.engine.operation import Effect, Ended, plain
from rpd.journal.errors import NONSENSE, JournalStrange
from rpd.journal.records import Data, Intent, Observation, Opened, Outcome, Record, Resumed, Transition
from rpd.states.volume.facts import Absence, VolumeFacts
from rpd.states.volume.operations import EFFECTS, READINGS, DeleteVolume


def config_of(order: Effect[Any, Any, Any]) -> Data:
    """An order as the config of record 0."""
    return {"order": order.name, "args": plain(order)}


def new_facts(opened: Opened, run_id: str) -> VolumeFacts:
    """The order that record 0 holds. Raises JournalStrange."""
    try:
        order = msgspec.convert(opened.config["args"], EFFECTS[opened.config["order"]])
    except NONSENSE as error:
        raise JournalStrange("record 0", error) from error
    interval = order.proof_interval_seconds if isinstance(order, DeleteVolume) else 0.0
    return VolumeFacts(order, Absence(interval))


def apply(facts: VolumeFacts, record: Record) -> None:
    """Fold one record. Raises JournalStrange for a record that no order has written."""
    try:
        _apply(facts, record)
    except NONSENSE as error:
        raise JournalStrange(f"record {record.seq}", error) from error


def replayed(records: Sequence[Record]) -> VolumeFacts:
    """The facts after all these records, record 0 first. Raises JournalStrange."""
    opened = records[0].body if records else None
    if not isinstance(opened, Opened):
        raise JournalStrange("record 0", ValueError("it opens nothing"))
    facts = new_facts(opened, records[0].run)
    for record in records:
        apply(facts, record)
    return facts


def _apply(facts: VolumeFacts, record: Record) -> None:
    body = record.body
    match body:
        case Resumed():
            facts.is_resumed, facts.entered = True, record.at
            facts.absence = Absence(facts.absence.interval_seconds)
        case Intent() if body.op in EFFECTS:
            facts.begun[body.opid] = msgspec.convert(body.args, EFFECTS[body.op]), record.at
        case Outcome() if body.opid in facts.begun:
            _ended(facts, body, record)
        case Observation() if body.op in READINGS:
            kind = READINGS[body.op]
            if body.error is None:
                kind.saw(facts, msgspec.convert(body.data, kind.answers), record.at)
            else:
                kind.missed(facts, body, record.at)
        case Transition():
            facts.result, facts.entered = body.trigger, record.at
        case _:
            pass


def _ended(facts: VolumeFacts, outcome: Outcome, record: Record) -> None:
    effect, since = facts.begun[outcome.opid]
    answer = msgspec.convert(outcome.data, effect.answers) if outcome.status == "ok" else None
    effect.end(facts, Ended(outcome, answer, since, record.at))
    if outcome.status == "unknown" and not outcome.settled:
        facts.was_lost = True
    else:
        facts.ended = outcome
