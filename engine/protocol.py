"""One operation under the intent/outcome protocol: write the intent, perform or probe it, and report exactly what is
known afterwards.
"""

from __future__ import annotations

from typing import Any

from rpd.engine.errors import Interrupted, NotSent, Refused, RpdError, UserError
from rpd.engine.operation import Call, Effect, Plain, Reading, Result, W, plain
from rpd.journal.records import DebtChange, Intent, Outcome


def intent_of(
    effect: Effect[Any, Any, Any], opid: str, state: str, attempt: int = 1, debts: tuple[DebtChange, ...] = ()
) -> Intent:
    """The record of an effect before it begins. Its arguments are the fields of the effect."""
    return Intent(opid, effect.name, state, plain(effect), attempt, debts)


def outcome_of(intent: Intent, result: Result, *, settled: bool = False) -> Outcome:
    """The record of what became of the effect. `settled`: a probe found it out."""
    status, reason, error = result.status, result.reason, result.error
    return Outcome(intent.opid, intent.op, status, reason, error, result.retryable, settled, result.data, result.debts)


def perform(effect: Effect[Any, W, Any], call: Call, world: W) -> Result:
    """Cause the effect. Only an error that proves that nothing happened becomes `failed`; every other error is
    `unknown`.
    """
    try:
        return effect.perform(call, world)
    except (Refused, NotSent, UserError) as error:
        return _failed(error)
    except RpdError as error:
        return Result(
            "unknown", reason=error.reason, error=error.message, retryable=error.retryable, detail=_detail(error)
        )


def probe(effect: Effect[Any, W, Any], call: Call, world: W) -> Result | None:
    """Find out by reading whether the effect happened. None: this is not known yet."""
    try:
        return effect.probe(call, world)
    except RpdError:
        return None


def look(reading: Reading[Any, W, Any], world: W) -> Result | None:
    """Read. A failure is also an observation. None: the read was cut short because of a request to the loop."""
    try:
        return reading.perform(world)
    except Interrupted:
        return None
    except RpdError as error:
        return _failed(error)


def _failed(error: RpdError) -> Result:
    return Result("failed", reason=error.reason, error=error.message, retryable=error.retryable, detail=_detail(error))


def _detail(error: RpdError) -> dict[str, Plain]:
    """The part of an error's detail that a journal may hold."""
    detail: dict[str, Plain] = {key: value for key, value in error.detail.items() if isinstance(value, Plain)}
    if error.retry_after is not None:
        detail["retry_after"] = error.retry_after
    return detail
