"""What a listener hears of a run, and what a run's journal tells afterwards."""

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
    """One record of the run's journal: it is durable, and happened. `at` is UTC seconds. `name` says what it is
    ("create_pod_ok", "closed"), `state` where the run stands after it. `text` is a sentence for people, empty where the
    record is not worth one. `cost_usd` is what the run has cost by then (estimated). `data` is the body of the record
    as docs/journal.md has it, with its `kind`; it holds no secret. Of a folder that an older tool left, `data` is the
    whole line, `seq` counts the lines, and there is no state, text and cost."""

    run_id: str
    seq: int
    at: float | None
    name: str
    state: str | None
    text: str
    cost_usd: float | None
    data: dict[str, Any]


class Waiting(msgspec.Struct, frozen=True):
    """The run now waits for `text`, or does it: a pod that boots, a transfer that is so far. It is written nowhere.
    `until` (UTC seconds) is when it is given up at the latest; None where nothing bounds it."""

    run_id: str
    text: str
    until: float | None


class Said(msgspec.Struct, frozen=True):
    """A line that the command prints for people on stderr: a warning, or one of the last words with what still bills
    and what to type. `run_id` is empty before there is a run."""

    run_id: str
    text: str


Event: TypeAlias = Recorded | Waiting | Said
"""What a listener hears. Each has `run_id` and `text`; tell them apart with `match` or `isinstance`."""

Listener = Callable[[Event], object]


def recorded(record: Record, facts: Facts) -> Recorded:
    """The event of a record; `facts` are those after it."""
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
