"""An operation on the world: its arguments, what it does, how to find out what became of it, and how its answer changes
the facts. The fields of an operation are the arguments of its record: plain data in the journal, typed everywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from rpd.journal.records import Data, DebtChange, Observation, Outcome, OutcomeStatus, Stamp

F = TypeVar("F")
"""Facts: the fold of the journal, changed in place."""
W = TypeVar("W")
"""World: a frozen set of ports."""
A = TypeVar("A", bound=msgspec.Struct)
"""The answer of an operation that went well: the data of its record."""

Plain = str | int | float | bool
REPEATABLE = "repeatable"
"""Reason of an outcome that only says: it may simply be done again."""


def plain(struct: msgspec.Struct | None) -> Data:
    """Its fields as the data of a record."""
    data: Data = {} if struct is None else msgspec.to_builtins(struct)
    return data


class Nothing(msgspec.Struct, frozen=True):
    """The answer of an operation that says nothing but that it went well."""


class Call(msgspec.Struct, frozen=True):
    """One call of an effect. `at` is the latest moment at which it may have been asked for: a machine can sleep between
    an intent and its request, so a probe that waits for the effect to show counts from there. `payload` is the
    decision's own; a probe has none."""

    at: Stamp
    payload: Any = None


class Result(msgspec.Struct, frozen=True):
    """What an operation returned.

    `answer` (when all went well) and `detail` (plain values) are journalled; `live` holds what changes at every look
    (counters, sizes) and only reaches the facts in memory.
    """

    status: OutcomeStatus = "ok"
    answer: msgspec.Struct | None = None
    live: msgspec.Struct | None = None
    reason: str | None = None
    error: str | None = None
    retryable: bool = False
    debts: tuple[DebtChange, ...] = ()
    detail: Mapping[str, Plain] = {}

    @property
    def data(self) -> Data:
        """The data of its record."""
        return {**plain(self.answer), **self.detail}


CUT_OFF = Result("failed", reason=REPEATABLE, error="cut off; it is done again", retryable=True)
"""Nothing is known and nothing is lost."""


class Ended(msgspec.Struct, Generic[A], frozen=True):
    """What became of an effect that began at `since`. There is an `answer` when it went well."""

    outcome: Outcome
    answer: A | None
    since: Stamp
    at: Stamp


class Operation(msgspec.Struct, Generic[F, W, A], frozen=True, omit_defaults=True):
    """What effects and readings have in common: the name in journals, the type of the answer, and for people what goes
    on (`words`) and what it is about (`noun`)."""

    name: ClassVar[str]
    words: ClassVar[str]
    noun: ClassVar[str]
    answers: ClassVar[type[msgspec.Struct]] = Nothing

    @property
    def label(self) -> str:
        """What goes on, for the status line."""
        return self.words


class Effect(Operation[F, W, A], Generic[F, W, A], frozen=True, omit_defaults=True):
    """An operation that changes the world. Its intent is durable before `perform` is called; after a crash, `probe`
    finds out what became of it."""

    is_work: ClassVar[bool] = False
    """Whether a pod is not what it was before, after it."""

    def perform(self, call: Call, world: W) -> Result:
        """Cause the effect, by one call of a port."""
        raise NotImplementedError

    def probe(self, call: Call, world: W) -> Result | None:
        """Find out by reading whether it happened: a settled result, or None while it cannot be told. Here: nothing is
        known and nothing is lost, for it may simply be done again."""
        return CUT_OFF

    def begin(self, facts: F, attempt: int, at: Stamp) -> None:
        """Fold the intent."""

    def end(self, facts: F, ended: Ended[A]) -> None:
        """Fold the outcome. One that is `failed` and `retryable` is decided again; only one that is not is the end."""


class Reading(Operation[F, W, A], Generic[F, W, A], frozen=True, omit_defaults=True):
    """An operation that only reads: its record holds what was seen, and not the arguments."""

    def perform(self, world: W) -> Result:
        """Read, by calls of ports."""
        raise NotImplementedError

    @classmethod
    def saw(cls, facts: F, answer: A, at: Stamp) -> None:
        """Fold what was seen."""

    @classmethod
    def missed(cls, facts: F, observation: Observation, at: Stamp) -> None:
        """Fold a look that failed."""
