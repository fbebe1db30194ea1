"""Faults of a table that would otherwise appear at run time, as sentences. A test runs this over every table."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import StrEnum

from rpd.engine.rule import Table


def lint(*tables: Table) -> list[str]:
    """Everything that is wrong with the tables; an empty list for sound tables. Tables that share their states and
    triggers are checked together: each need not use all of them.
    """
    checks = (_names, _dead_rules, _unreachable, _traps)
    return [*_unused(tables), *(fault for table in tables for check in checks for fault in check(table))]


def _unused(tables: tuple[Table, ...]) -> Iterator[str]:
    states = {state for table in tables for state in table.used}
    triggers = {rule.trigger for table in tables for rule in table.every_rule}
    for state in dict.fromkeys(state for table in tables for state in table.states):
        if state not in states:
            yield f"state {state} cannot be reached"
    for trigger in dict.fromkeys(trigger for table in tables for trigger in table.triggers):
        if trigger not in triggers:
            yield f"trigger {trigger} is used by no rule"


def _names(table: Table) -> Iterator[str]:
    for rule in table.every_rule:
        for state in (rule.source, rule.dest):
            if not isinstance(state, table.states):
                yield f"{state!r} is not a state of {table.name}"
        if not isinstance(rule.trigger, table.triggers):
            yield f"{rule.trigger!r} is not a trigger of {table.name}"
        if not rule.why:
            yield f"{rule.source} --{rule.trigger}--> {rule.dest} does not say why"


def _dead_rules(table: Table) -> Iterator[str]:
    for state in table.used:
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
    for state in table.used:
        if state not in seen:
            yield f"state {state} cannot be reached"


def _traps(table: Table) -> Iterator[str]:
    for state in table.used:
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
