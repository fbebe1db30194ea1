"""The only file that knows the `transitions` package: it decides whether a move is legal, and nothing else.

Traps of that library handled here: names of unknown states or guards are accepted silently (so `lint` runs first), a
false guard returns False (so `Forbidden` is raised), a wildcard adds loops (never used), and the append to the journal
belongs before the change of state, for an exception there leaves the source state (docs: transitions 0.9.3, order of
callbacks).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Any, cast

from transitions import EventData, Machine

from rpd.engine.rule import Guard, Rule, Table

# It warns about every name that it rightly leaves unbound on a position: some hundred lines per run.
logging.getLogger("transitions.core").setLevel(logging.ERROR)


class Forbidden(AssertionError):
    """A move that the table does not allow here: an error of the program, never of the user."""


BeforeMove = Callable[[Rule], None]
"""Called with the accepted rule before memory changes; raising keeps the old state."""


class Position:
    """Where one run stands. Declares `state` and `trigger`, so that the library binds nothing else to it."""

    def __init__(self) -> None:
        self.state: StrEnum | str = ""
        self.before_move: BeforeMove = lambda rule: None

    def trigger(self, name: str, **kwargs: Any) -> bool:
        """Replaced by the library when the position is added to a machine."""
        raise NotImplementedError(name)


class StateMachine:
    """A table made executable; shared by any number of runs, each with a `Position` of its own."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._machine = Machine(
            model=None,
            states=table.states,
            transitions=[self._line(rule) for rule in table.rules],
            initial=table.initial,
            auto_transitions=False,
            send_event=True,
            queued=False,
            ignore_invalid_triggers=False,
            model_override=True,
        )

    def enter(self, state: str | None) -> Position:
        """A new position in `state` (as the journal spells it), or in the table's initial state."""
        position = Position()
        initial = self.table.initial if state is None else self.table.states(state)
        self._machine.add_model(position, initial=initial)
        return position

    def leave(self, position: Position) -> None:
        """Forget a position."""
        self._machine.remove_model(position)

    def fire(self, position: Position, trigger: str, facts: Any, before_move: BeforeMove) -> Rule:
        """Move by the first rule whose guards hold, calling `before_move` first; returns that rule.

        Raises Forbidden, and whatever `before_move` raises; then nothing has moved.
        """
        rules = self._rules(position, trigger)
        accepted: list[Rule] = []

        def note(rule: Rule) -> None:
            before_move(rule)
            accepted.append(rule)

        position.before_move = note
        if not position.trigger(str(trigger), facts=facts):
            tried = ", ".join(_guard_names(rule) for rule in rules)
            state = position.state
            raise Forbidden(f"{self.table.name}: {trigger!r} in state {state!r} is refused by its guards: {tried}")
        return accepted[-1]

    def _rules(self, position: Position, trigger: str) -> tuple[Rule, ...]:
        """Those that could apply; the library itself would answer an unknown name with an AttributeError."""
        known = trigger in list(self.table.triggers)
        rules = self.table.matching(self.table.states(position.state), self.table.triggers(trigger)) if known else ()
        if not rules:
            raise Forbidden(f"{self.table.name}: no rule for {trigger!r} in state {position.state!r}")
        return rules

    @staticmethod
    def _line(rule: Rule) -> dict[str, Any]:
        def before(event: EventData) -> None:
            cast(Position, event.model).before_move(rule)

        return {
            "trigger": str(rule.trigger),
            "source": rule.source,
            "dest": rule.dest,
            "conditions": [_on_facts(guard) for guard in rule.when],
            "unless": [_on_facts(guard) for guard in rule.unless],
            "before": before,
        }


def _on_facts(guard: Guard) -> Callable[[EventData], bool]:
    def check(event: EventData) -> bool:
        return guard(event.kwargs["facts"])

    return check


def _guard_names(rule: Rule) -> str:
    names = [guard.__name__ for guard in rule.when] + [f"not {guard.__name__}" for guard in rule.unless]
    return " and ".join(names) or "no guard"
