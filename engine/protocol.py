"""One operation under the intent/outcome protocol: perform or probe it, and say honestly what is known afterwards."""

from __future__ import annotations

from typing import Any

from rpd.engine.decision import Pending, Result
from rpd.engine.errors import Interrupted, NotSent, Refused, RpdError, UserError
from rpd.engine.lifecycle import F, Handler, W


def perform(handler: Handler[F, W], pending: Pending, world: W) -> Result:
    """Cause the effect. Only an error that proves that nothing happened becomes `failed`; every other is `unknown`."""
    try:
        return handler.perform(pending, world)
    except (Refused, NotSent, UserError) as error:
        return _failed(error)
    except RpdError as error:
        return Result(
            status="unknown", reason=error.reason, error=error.message, retryable=error.retryable, data=_detail(error)
        )


def probe(handler: Handler[F, W], pending: Pending, world: W) -> Result | None:
    """Find out by reading whether the effect happened. None: it cannot be told yet."""
    try:
        return handler.probe(pending, world)
    except RpdError:
        return None


def look(handler: Handler[F, W], pending: Pending, world: W) -> Result | None:
    """Read. A failure is something seen, too; None: the read was cut short because somebody asked for the loop."""
    try:
        return handler.perform(pending, world)
    except Interrupted:
        return None
    except RpdError as error:
        return _failed(error)


def _failed(error: RpdError) -> Result:
    return Result(
        status="failed", reason=error.reason, error=error.message, retryable=error.retryable, data=_detail(error)
    )


def _detail(error: RpdError) -> dict[str, Any]:
    """What a journal may hold of an error's detail."""
    plain = str | int | float | bool
    detail: dict[str, Any] = {key: value for key, value in error.detail.items() if isinstance(value, plain)}
    if error.retry_after is not None:
        detail["retry_after"] = error.retry_after
    return detail
