"""An operation on the world: its arguments, its effect, the probe of its result, and how its answer changes the
facts. The fields of an operation are the arguments of its record: plain data in the journal, typed everywhere else.
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
"""The answer of an operation that succeeded: the data of its record."""

Plain = str | int | float | bool
IDEMPOTENT = "repeatable"
"""The reason of an outcome that only says: the effect is idempotent, and may be repeated. Journals keep this word."""


def plain(struct: msgspec.Struct | None) -> Data:
    """The fields of a struct as the data of a record."""
    data: Data = {} if struct is None else msgspec.to_builtins(struct)
    return data


class Nothing(msgspec.Struct, frozen=True):
    """The answer of an operation that reports only its success."""


class Call(msgspec.Struct, frozen=True):
    """One call of an effect. `at` is the latest moment at which the effect may have been requested. A machine can sleep
    between an intent and its request, so a probe that waits for the effect counts from there. `payload` belongs to the
    decision; a probe has none.
    """

    at: Stamp
    payload: Any = None


class Result(msgspec.Struct, frozen=True):
    """What an operation returned.

    `answer` (if all went well) and `detail` (plain values) are journalled. `live` holds values that change at every
    look (counters, sizes). They only reach the facts in memory.
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
        """The data of the result's record."""
        return {**plain(self.answer), **self.detail}


CUT_OFF = Result("failed", reason=IDEMPOTENT, error="cut off; it is done again", retryable=True)
"""Nothing is known, and nothing is lost."""


class Ended(msgspec.Struct, Generic[A], frozen=True):
    """What became of an effect that began at `since`. `answer` is set if it succeeded."""

    outcome: Outcome
    answer: A | None
    since: Stamp
    at: Stamp


class Operation(msgspec.Struct, Generic[F, W, A], frozen=True, omit_defaults=True):
    """The common part of effects and readings: the name in journals, the type of the answer, and texts for people.
    `words` say what goes on, `noun` what it is about.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    noun: ClassVar[str]
    answers: ClassVar[type[msgspec.Struct]] = Nothing

    @property
    def label(self) -> str:
        """What goes on, for the status line."""
        return self.words


class Effect(Operation[F, W, A], Generic[F, W, A], frozen=True, omit_defaults=True):
    """An operation that changes the world. Its intent is durable before `perform` is called. After a crash, `probe`
    finds out what became of it.
    """

    is_work: ClassVar[bool] = False
    """Whether the effect makes the pod different from before."""

    def perform(self, call: Call, world: W) -> Result:
        """Cause the effect, by one call of a port."""
        raise NotImplementedError

    def probe(self, call: Call, world: W) -> Result | None:
        """Find out by reading whether the effect happened: a settled result, or None while this is not known. In this
        base class nothing is known and nothing is lost, because the effect may be repeated.
        """
        return CUT_OFF

    def begin(self, facts: F, attempt: int, at: Stamp) -> None:
        """Fold the intent."""

    def end(self, facts: F, ended: Ended[A]) -> None:
        """Fold the outcome. If it is `failed` and `retryable`, the state decides again. If it is not `retryable`, it is
        final.
        """


class Reading(Operation[F, W, A], Generic[F, W, A], frozen=True, omit_defaults=True):
    """An operation that only reads. Its record holds what was seen, not the arguments."""

    def perform(self, world: W) -> Result:
        """Read by calls of ports."""
        raise NotImplementedError

    @classmethod
    def saw(cls, facts: F, answer: A, at: Stamp) -> None:
        """Fold what was seen."""

    @classmethod
    def missed(cls, facts: F, observation: Observation, at: Stamp) -> None:
        """Fold a look that failed."""
