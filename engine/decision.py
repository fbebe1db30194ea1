"""What a state may decide. Pure data: deciding never acts.

`Do` causes a side effect and is journalled before and after; `Look` only reads, and what it saw is journalled when it
differs from what was seen before; `Fire` moves; `Wait` sleeps; `Leave` ends this process's part of an unfinished run;
`Close` ends the run.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.journal.records import DebtChange, OutcomeStatus, Stamp


class Do(msgspec.Struct, frozen=True):
    """Cause the side effect `op`. `debts` are opened by the intent itself, before the effect can cost anything.

    `payload` is what it works on that is too much for a record and can be made again from the journal."""

    op: str
    args: dict[str, Any] = {}
    attempt: int = 1
    debts: tuple[DebtChange, ...] = ()
    payload: Any = None


class Look(msgspec.Struct, frozen=True):
    """Read `op` from the world; repeatable, without effect there."""

    op: str
    args: dict[str, Any] = {}


class Fire(msgspec.Struct, frozen=True):
    """Ask for a move. `reason` is the word that ends up in the journal; `debts` change with the move."""

    trigger: str
    reason: str | None = None
    why: str | None = None
    debts: tuple[DebtChange, ...] = ()


class Wait(msgspec.Struct, frozen=True):
    """Nothing to do for `seconds`; `what` is awaited until `deadline` (UTC seconds), for the status line."""

    seconds: float
    what: str
    deadline: float | None = None


class Leave(msgspec.Struct, frozen=True):
    """Stop driving; the run stays open and can be resumed."""

    why: str
    exit_code: int
    released_by: str | None = None


class Close(msgspec.Struct, frozen=True):
    """The run is over."""

    outcome: str
    reason: str | None
    exit_code: int
    cost_usd: float | None = None


Decision = Do | Look | Fire | Wait | Leave | Close


class Pending(msgspec.Struct, frozen=True):
    """An operation to perform or to probe: an intent as the journal has it. `at` is the latest moment at which its
    effect may have been asked for: a machine can sleep between an intent and its request, so a probe that waits for an
    effect to show counts from there. `payload` is the decision's own; a probe has none."""

    opid: str
    op: str
    state: str
    args: dict[str, Any]
    attempt: int
    at: Stamp
    payload: Any = None


class Result(msgspec.Struct, frozen=True):
    """What an operation returned.

    `data` is journalled; `live` holds what changes at every look (counters, sizes) and only reaches the facts in
    memory.
    """

    status: OutcomeStatus = "ok"
    data: dict[str, Any] = {}
    live: dict[str, Any] = {}
    reason: str | None = None
    error: str | None = None
    retryable: bool = False
    debts: tuple[DebtChange, ...] = ()
