"""What a state may decide. Decisions are pure data: deciding never acts.

`Do` causes a side effect and is journalled before and after. `Look` only reads; what it saw is journalled if it differs
from what was seen before. `Fire` moves. `Wait` sleeps. `Leave` ends this process's part of an unfinished run. `Close`
ends the run.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.engine.operation import Effect, Reading
from rpd.journal.records import DebtChange


class Do(msgspec.Struct, frozen=True):
    """Cause a side effect. The intent itself opens the `debts`, before the effect can cost anything.

    `payload` is input that is too large for a record and can be made again from the journal.
    """

    operation: Effect[Any, Any, Any]
    attempt: int = 1
    debts: tuple[DebtChange, ...] = ()
    payload: Any = None

    @property
    def op(self) -> str:
        """The operation's name in the journal."""
        return self.operation.name


class Look(msgspec.Struct, frozen=True):
    """Read from the world. It may be repeated and changes nothing there."""

    operation: Reading[Any, Any, Any]

    @property
    def op(self) -> str:
        """The operation's name in the journal."""
        return self.operation.name


class Fire(msgspec.Struct, frozen=True):
    """Ask for a move. `reason` is the word in the journal. `debts` change with the move."""

    trigger: str
    reason: str | None = None
    why: str | None = None
    debts: tuple[DebtChange, ...] = ()


class Wait(msgspec.Struct, frozen=True):
    """Nothing to do for `seconds`. For the status line: `what` is awaited until `deadline` (UTC seconds)."""

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
