"""Rules as data: one line of the table is one sentence about the life of a run.

Names are enum members and function objects, never strings, so that a typo is an import error. Nothing here acts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Guard = Callable[[Any], bool]
"""A small pure condition on the facts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`trigger` moves `source` to `dest` if every `when` holds and no `unless` does. `why` is for people."""

    trigger: StrEnum
    source: StrEnum
    dest: StrEnum
    why: str
    when: tuple[Guard, ...] = ()
    unless: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """States that have something in common, and the words for it: "any state that holds a pod"."""

    name: str
    states: tuple[StrEnum, ...]


@dataclass(frozen=True, slots=True)
class Interrupt:
    """One rule out of every state of a group."""

    trigger: StrEnum
    group: Group
    dest: StrEnum
    why: str
    when: tuple[Guard, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The same as rules of one state each."""
        return tuple(Rule(self.trigger, source, self.dest, self.why, self.when) for source in self.group.states)


@dataclass(frozen=True, slots=True)
class Table:
    """All rules of one lifecycle in the order of the life of a run, and the interrupts. `finals` have no way out."""

    name: str
    states: type[StrEnum]
    triggers: type[StrEnum]
    initial: StrEnum
    finals: frozenset[StrEnum]
    rules: tuple[Rule, ...]
    interrupts: tuple[Interrupt, ...] = ()

    @property
    def every_rule(self) -> tuple[Rule, ...]:
        """The rules of every single state; the rules of interrupts come last."""
        return (*self.rules, *(rule for interrupt in self.interrupts for rule in interrupt.rules))

    @property
    def used(self) -> tuple[StrEnum, ...]:
        """The states that the rules name, in the order of the enum. Several tables may share one enum."""
        named = {state for rule in self.every_rule for state in (rule.source, rule.dest)}
        return tuple(state for state in self.states if state in named)

    def matching(self, source: StrEnum, trigger: StrEnum) -> tuple[Rule, ...]:
        """The rules for this trigger in this state, in table order."""
        return tuple(rule for rule in self.every_rule if rule.source is source and rule.trigger is trigger)

    def leaving(self, source: StrEnum) -> tuple[Rule, ...]:
        """Every rule that starts in this state."""
        return tuple(rule for rule in self.every_rule if rule.source is source)
