"""A lifecycle: a table, the decisions of its states, its operations, and the fold of records to facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic

import msgspec

from rpd.engine.decision import Decision
from rpd.engine.operation import Effect, F, Reading, W
from rpd.engine.rule import Table
from rpd.journal.errors import JournalStrange
from rpd.journal.records import Intent, Opened, Record, Stamp


@dataclass(frozen=True, slots=True)
class Lifecycle(Generic[F, W]):
    """All that the loop needs to know about a domain.

    `decide` has one pure function for each state. `interrupts` is asked before it, in every state. `probe_pause` is how
    long to wait (seconds) after the n-th probe of an intent without an answer.
    """

    table: Table
    decide: Mapping[StrEnum, Callable[[F, Stamp], Decision]]
    effects: Mapping[str, type[Effect[F, W, Any]]]
    readings: Mapping[str, type[Reading[F, W, Any]]]
    new_facts: Callable[[Opened, str], F]
    apply: Callable[[F, Record], None]
    interrupts: Callable[[StrEnum, F, Stamp], Decision | None]
    probe_pause: Callable[[F, int], float]

    def effect_of(self, intent: Intent) -> Effect[F, W, Any] | None:
        """The operation that an intent names, with its arguments. None for an operation of another version that this
        version does not have. Raises JournalStrange for arguments that do not fit.
        """
        kind = self.effects.get(intent.op)
        if kind is None:
            return None
        try:
            effect: Effect[F, W, Any] = msgspec.convert(intent.args, kind)
        except msgspec.ValidationError as error:
            raise JournalStrange(f"intent {intent.opid}", error) from error
        return effect
