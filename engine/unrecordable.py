"""What the journal gets instead of a record that it refuses, because the record is too large or must not be kept as it
is.

A run that owes something goes on all the same. An intent that cannot be written causes nothing, and counts as failed.
If a result cannot be written, only its numbers are kept, and the lifecycle learns that the result is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from rpd.journal.records import Body, Data, DebtChange, Intent, Observation, Outcome, OutcomeStatus, Requested
from rpd.journal.size import cut

REASON = "record_refused"
"""The reason of such a result."""
SIZES = ((400, 100), (100, 30))
"""How much is kept of the arguments of an effect that is not caused: bytes of a text, items of a list. The pairs are
tried in this order until the record fits.
"""


def in_its_place(body: Body, why: str) -> Body | None:
    """A smaller true record from which the run can go on; None if there is none.

    An effect's result becomes unknown and must be probed; only a proved failure stays a failure. An observation becomes
    a failed look.
    """
    text = f"what came of it cannot be kept in the journal: {why}"
    match body:
        case Outcome():
            status: OutcomeStatus = "failed" if body.status == "failed" else "unknown"
            debts = tuple(_bare(change) for change in body.debts)
            return Outcome(
                body.opid, body.op, status, REASON, text, body.retryable, body.settled, _numbers(body.data), debts
            )
        case Observation():
            return Observation(body.op, {}, text, REASON, debts=tuple(_bare(change) for change in body.debts))
        case Requested():
            detail = {name: value for name, value in body.detail.items() if _is_short(value)}
            return Requested(cut(body.what, 100), cut(body.by, 100), detail)
        case _:
            return None


def without_effect(intent: Intent, why: str) -> Iterator[tuple[Intent, Outcome]]:
    """For an intent that cannot be written: a shorter intent, and the outcome that it was never acted on. Several pairs
    follow one another, each shorter. The intent owes nothing.
    """
    text = f"not begun: its intent cannot be kept in the journal: {why}"
    outcome = Outcome(intent.opid, intent.op, "failed", REASON, text)
    for text_bytes, items in SIZES:
        args = {name: _less(value, text_bytes, items) for name, value in intent.args.items()}
        yield msgspec.structs.replace(intent, args=args, debts=()), outcome


def _bare(change: DebtChange) -> DebtChange:
    return msgspec.structs.replace(change, proof="not kept" if change.proof is not None else None)


def _numbers(data: Data) -> Data:
    return {name: value for name, value in data.items() if isinstance(value, bool | int | float)}


def _is_short(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 100)


def _less(value: Any, text_bytes: int, items: int) -> Any:
    if isinstance(value, str):
        return cut(value, text_bytes)
    if isinstance(value, dict):
        return {cut(name, text_bytes): _less(item, text_bytes, items) for name, item in [*value.items()][:items]}
    if isinstance(value, list | tuple):
        return [_less(item, text_bytes, items) for item in value[:items]]
    return value
