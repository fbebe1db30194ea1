"""Rules as data: one line of the table is one sentence about the life of a run.

Names are enum members and function objects, never strings, so that a typo is an import error. Nothing here acts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Guard = Callable[[Any], bool]
"""A small pure predicate over facts."""


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
class Table:
    """All rules of one lifecycle, in the order in which a run lives. `finals` have no way out."""

    name: str
    states: type[StrEnum]
    triggers: type[StrEnum]
    initial: StrEnum
    finals: frozenset[StrEnum]
    rules: tuple[Rule, ...]

    def matching(self, source: StrEnum, trigger: StrEnum) -> tuple[Rule, ...]:
        """The rules for this trigger in this state, in table order."""
        return tuple(rule for rule in self.rules if rule.source is source and rule.trigger is trigger)

    def leaving(self, source: StrEnum) -> tuple[Rule, ...]:
        """Every rule that starts in this state."""
        return tuple(rule for rule in self.rules if rule.source is source)


def everywhere(
    trigger: StrEnum, sources: Iterable[StrEnum], dest: StrEnum, why: str, *, when: tuple[Guard, ...] = ()
) -> tuple[Rule, ...]:
    """One edge out of many states, generated from one declaration (a wildcard would add loops on the end states)."""
    return tuple(Rule(trigger, source, dest, why, when=when) for source in sources if source is not dest)
