"""The only file that knows the `transitions` package. It decides whether a move is legal, and nothing else.

This file handles these traps of the library. The library silently accepts names of unknown states or guards, so `lint`
runs first. A false guard returns False, so this file raises `Forbidden`. A wildcard adds loops, so it is never used.
The append to the journal must come before the change of state, because an exception there leaves the source state
(docs: transitions 0.9.3, order of callbacks).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from transitions import EventData, Machine

from rpd.engine.rule import Guard, Interrupt, Rule, Table

# The library logs every step of every move; only a developer who debugs it needs that.
logging.getLogger("transitions.core").setLevel(logging.ERROR)


class Forbidden(AssertionError):
    """A move that the table does not allow here. It is an error of the program, never of the user."""


BeforeMove = Callable[[Rule], None]
"""Called with the accepted rule before memory changes. If it raises, the old state stays."""


class Position:
    """The state of one run."""

    __slots__ = ("state",)

    def __init__(self, state: StrEnum) -> None:
        self.state = state

    @property
    def name(self) -> str:
        """The state as the library knows it: plain text, because the library unwraps a member of an enum again at every
        use.
        """
        return str(self.state)

    @name.setter
    def name(self, name: str) -> None:
        self.state = type(self.state)(name)


class StateMachine:
    """A table made executable. Any number of runs share it; each has its own `Position`."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._rules = {
            (str(rule.source), str(rule.trigger)): table.matching(rule.source, rule.trigger)
            for rule in table.every_rule
        }
        self._machine = Machine(
            model=None,
            states=[str(state) for state in table.states],
            transitions=[*map(self._line, table.rules), *map(self._group, table.interrupts)],
            initial=str(table.initial),
            auto_transitions=False,
            send_event=True,
            queued=False,
            ignore_invalid_triggers=False,
            model_attribute="name",
        )

    def enter(self, state: str | None) -> Position:
        """A new position in `state` (in the spelling of the journal), or in the table's initial state."""
        return Position(self.table.initial if state is None else self.table.states(state))

    def fire(self, position: Position, trigger: str, facts: Any, before_move: BeforeMove) -> Rule:
        """Move by the first rule whose guards hold, and return that rule. `before_move` is called first.

        Raises Forbidden, and whatever `before_move` raises. In both cases nothing has moved.
        """
        rules = self._rules.get((str(position.state), str(trigger)))
        if rules is None:  # the library itself would raise AttributeError for an unknown name
            raise Forbidden(f"{self.table.name}: no rule for {trigger!r} in state {position.state!r}")
        accepted: list[Rule] = []

        def note(rule: Rule) -> None:
            before_move(rule)
            accepted.append(rule)

        # The event itself is asked, so that no position must be bound to the library: binding costs about as much as
        # ten moves.
        if not self._machine.events[str(trigger)].trigger(position, facts=facts, before_move=note):
            tried = ", ".join(_guard_names(rule) for rule in rules)
            state = position.state
            raise Forbidden(f"{self.table.name}: {trigger!r} in state {state!r} is refused by its guards: {tried}")
        return accepted[-1]

    @staticmethod
    def _line(rule: Rule) -> dict[str, object]:
        def before(event: EventData) -> None:
            event.kwargs["before_move"](rule)

        return {
            "trigger": str(rule.trigger),
            "source": str(rule.source),
            "dest": str(rule.dest),
            "conditions": [_on_facts(guard) for guard in rule.when],
            "unless": [_on_facts(guard) for guard in rule.unless],
            "before": before,
        }

    @staticmethod
    def _group(interrupt: Interrupt) -> dict[str, object]:
        """One line for all states of the group."""
        rules = {str(rule.source): rule for rule in interrupt.rules}

        def before(event: EventData) -> None:
            assert event.transition is not None, "it is being taken"
            event.kwargs["before_move"](rules[event.transition.source])

        return {
            "trigger": str(interrupt.trigger),
            "source": list(rules),
            "dest": str(interrupt.dest),
            "conditions": [_on_facts(guard) for guard in interrupt.when],
            "before": before,
        }


def _on_facts(guard: Guard) -> Callable[[EventData], bool]:
    def check(event: EventData) -> bool:
        return guard(event.kwargs["facts"])

    return check


def _guard_names(rule: Rule) -> str:
    names = [guard.__name__ for guard in rule.when] + [f"not {guard.__name__}" for guard in rule.unless]
    return " and ".join(names) or "no guard"
