"""Fold records into their meaning, without any knowledge of a lifecycle. Pure: the same records give the same snapshot.

Replay follows the recorded destinations and evaluates nothing again.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import msgspec

from rpd.journal.codec import GENESIS
from rpd.journal.records import (
    Closed,
    DebtChange,
    Intent,
    Left,
    Opened,
    Outcome,
    Record,
    Resumed,
    Stamp,
    Transition,
)


class OpenIntent(msgspec.Struct, frozen=True):
    """An intent without a known outcome. `unknown` counts its outcomes that were unknown."""

    intent: Intent
    at: Stamp
    seq: int
    unknown: int = 0


class Debt(msgspec.Struct, frozen=True):
    """An open debt. `change` is the latest record of it. `since` and `seq` are when it was first opened."""

    change: DebtChange
    since: Stamp
    seq: int


class Snapshot(msgspec.Struct, frozen=True):
    """The meaning of a journal after its first `records` records.

    `state` and `reason` come from the last transition (None before the first). `debts` holds open debts by (key, kind),
    `open_intents` open intents by opid, both oldest first. `left` is set from the time a process leaves the run until
    another process takes it over. `head` is the number and the checksum of the last record (-1 and zeros before the
    first).
    """

    run_id: str = ""
    opened: Opened | None = None
    epoch: int = 0
    state: str | None = None
    reason: str | None = None
    open_intents: dict[str, OpenIntent] = {}
    debts: dict[tuple[str, str], Debt] = {}
    left: Left | None = None
    closed: Closed | None = None
    records: int = 0
    head: tuple[int, str] = (-1, GENESIS)
    started: Stamp | None = None
    last: Stamp | None = None


def fold(records: Iterable[Record]) -> Snapshot:
    """The snapshot after all `records`."""
    return reduce(apply, records, Snapshot())


def apply(snapshot: Snapshot, record: Record) -> Snapshot:
    """The snapshot after one more record. The given snapshot does not change. Unknown kinds count and change nothing
    else.
    """
    changes: dict[str, Any] = {}
    body = record.body
    match body:
        case Intent():
            opened = OpenIntent(body, record.at, record.seq)
            changes["open_intents"] = {**snapshot.open_intents, body.opid: opened}
        case Outcome():
            changes["open_intents"] = _after_outcome(snapshot.open_intents, body)
        case Transition():
            changes["state"] = body.dest
            changes["reason"] = body.reason
        case Opened() if snapshot.opened is None:
            changes["opened"] = body
        case Resumed():
            changes["left"] = None
        case Left():
            changes["left"] = body
        case Closed():
            changes["closed"] = body
        case _:
            pass
    debts = getattr(body, "debts", ())
    if debts:
        changes["debts"] = _after_changes(snapshot.debts, debts, record)
    return msgspec.structs.replace(
        snapshot,
        run_id=record.run,
        epoch=record.epoch,
        records=snapshot.records + 1,
        head=(record.seq, record.z),
        started=snapshot.started or record.at,
        last=record.at,
        **changes,
    )


def _after_outcome(intents: dict[str, OpenIntent], outcome: Outcome) -> dict[str, OpenIntent]:
    """If the outcome of an intent was unknown, only a probe's result ends it."""
    left = dict(intents)
    pending = left.pop(outcome.opid, None)
    if pending is not None and outcome.status == "unknown" and not outcome.settled:
        return {**intents, outcome.opid: msgspec.structs.replace(pending, unknown=pending.unknown + 1)}
    return left


def _after_changes(
    debts: dict[tuple[str, str], Debt], changes: tuple[DebtChange, ...], record: Record
) -> dict[tuple[str, str], Debt]:
    left = dict(debts)
    for change in changes:
        key = (change.key, change.kind)
        if change.change == "close":
            left.pop(key, None)
            continue
        known = left.get(key)
        since, seq = (known.since, known.seq) if known is not None else (record.at, record.seq)
        left[key] = Debt(change, since, seq)
    return left
