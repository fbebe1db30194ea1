"""Faults of a table that would otherwise appear at run time, as sentences. A test runs this over every table."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import StrEnum

from rpd.engine.rule import Table


def lint(table: Table) -> list[str]:
    """Everything that is wrong with the table; an empty list for a sound table."""
    return [*_names(table), *_dead_rules(table), *_unreachable(table), *_traps(table)]


def _names(table: Table) -> Iterator[str]:
    for rule in table.every_rule:
        for state in (rule.source, rule.dest):
            if not isinstance(state, table.states):
                yield f"{state!r} is not a state of {table.name}"
        if not isinstance(rule.trigger, table.triggers):
            yield f"{rule.trigger!r} is not a trigger of {table.name}"
        if not rule.why:
            yield f"{rule.source} --{rule.trigger}--> {rule.dest} does not say why"
    used = {rule.trigger for rule in table.every_rule}
    for trigger in table.triggers:
        if trigger not in used:
            yield f"trigger {trigger} is used by no rule"


def _dead_rules(table: Table) -> Iterator[str]:
    for state in table.states:
        for trigger in table.triggers:
            rules = table.matching(state, trigger)
            for index, rule in enumerate(rules[:-1]):
                if not rule.when and not rule.unless:
                    hidden = rules[index + 1]
                    move = f"{state} --{trigger}--> {hidden.dest}"
                    yield f"{move} can never be taken: the rule to {rule.dest} has no guard"
    for rule in table.every_rule:
        if rule.source in table.finals:
            yield f"{rule.source} is final but has a rule ({rule.trigger})"


def _unreachable(table: Table) -> Iterator[str]:
    seen = _reach(table, table.initial)
    for state in table.states:
        if state not in seen:
            yield f"state {state} cannot be reached"


def _traps(table: Table) -> Iterator[str]:
    for state in table.states:
        if not _reach(table, state) & table.finals:
            yield f"state {state} cannot reach an end"


def _reach(table: Table, start: StrEnum) -> set[StrEnum]:
    seen = {start}
    queue = deque([start])
    while queue:
        for rule in table.leaving(queue.popleft()):
            if rule.dest not in seen:
                seen.add(rule.dest)
                queue.append(rule.dest)
    return seen
