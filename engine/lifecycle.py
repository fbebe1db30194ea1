"""A lifecycle: a table, the handlers of its states, and how facts come out of records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from rpd.engine.decision import Decision, Pending, Result
from rpd.engine.rule import Table
from rpd.journal.records import Opened, Record, Stamp

F = TypeVar("F")
"""Facts: the fold of the journal, changed in place by `apply`."""
W = TypeVar("W")
"""World: a frozen set of ports."""


@dataclass(frozen=True, slots=True)
class Handler(Generic[F, W]):
    """The three functions of a state.

    `decide` is pure. `perform` makes one port call. `probe` only reads: a settled result, or None while it cannot be
    told.
    """

    decide: Callable[[F, Stamp], Decision]
    perform: Callable[[Pending, W], Result]
    probe: Callable[[Pending, W], Result | None]


@dataclass(frozen=True, slots=True)
class Lifecycle(Generic[F, W]):
    """Everything the loop needs to know about a domain.

    `interrupts` is asked before the state's own `decide`, in every state; `probe_pause` is how long to wait (seconds)
    after the n-th probe of an intent that gave no answer.
    """

    table: Table
    handlers: Mapping[StrEnum, Handler[F, W]]
    new_facts: Callable[[Opened, str], F]
    apply: Callable[[F, Record], None]
    interrupts: Callable[[StrEnum, F, Stamp], Decision | None]
    probe_pause: Callable[[F, int], float]
    awaits: Callable[[Pending], str]
