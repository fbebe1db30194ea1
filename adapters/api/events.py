"""The events that a listener gets while a run goes on, and that the journal of a run gives afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from rpd.adapters.report.story import tell
from rpd.journal.records import Opened, Record
from rpd.states.facts import Facts, new_facts
from rpd.states.fold import apply
from rpd.states.policy.rules import spent_usd


class Recorded(msgspec.Struct, frozen=True):
    """One record of the run's journal. It is durable, so the event did happen. `at` is UTC seconds. `name` names the
    record ("create_pod_ok", "closed"), and `state` is the state of the run after it. `text` is a sentence for people,
    or empty if the record needs none. `cost_usd` is the estimated cost of the run so far. `data` is the body of the
    record as in docs/journal.md, with its `kind`; it holds no secret. For a folder of an older tool, `data` is the
    whole line, `seq` counts the lines, and state, text and cost are missing."""

    run_id: str
    seq: int
    at: float | None
    name: str
    state: str | None
    text: str
    cost_usd: float | None
    data: dict[str, Any]


class Waiting(msgspec.Struct, frozen=True):
    """The run waits for `text` or does it, for example a boot of the pod or a transfer with its progress. No record
    keeps it. `until` (UTC seconds) is the latest time at which rpd gives up; None means that there is no limit."""

    run_id: str
    text: str
    until: float | None


class Said(msgspec.Struct, frozen=True):
    """A line that the command prints for people on stderr: a warning, or one of the last lines with what still bills
    and what to type. `run_id` is empty before there is a run."""

    run_id: str
    text: str


Event: TypeAlias = Recorded | Waiting | Said
"""An event for a listener. Each has `run_id` and `text`. Use `match` or `isinstance` to tell the kinds apart."""

Listener = Callable[[Event], object]


def recorded(record: Record, facts: Facts) -> Recorded:
    """The event of a record. `facts` are the facts after that record."""
    return Recorded(
        run_id=record.run,
        seq=record.seq,
        at=record.at.wall,
        name=record.event,
        state=str(facts.state),
        text=tell(record, facts) or "",
        cost_usd=round(spent_usd(facts, record.at), 6),
        data=msgspec.to_builtins(record.body) if record.body is not None else {},
    )


def recorded_in(opened: Opened, records: Sequence[Record]) -> Iterator[Recorded]:
    """The events of a journal. Raises JournalError at the first record that makes no sense."""
    facts = new_facts(opened, records[0].run)
    for record in records:
        apply(facts, record)
        yield recorded(record, facts)
