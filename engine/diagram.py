"""The table as pictures and prose: Mermaid for documents and `rpd inspect --graph`, Markdown for the docs page."""

from __future__ import annotations

from collections.abc import Iterable

from rpd.engine.rule import Interrupt, Rule, Table


def mermaid(table: Table, *, walked: Iterable[tuple[str, str]] = (), here: str | None = None) -> str:
    """A Mermaid state diagram. Edges between the same two states are drawn as one. An interrupt is drawn once, out of
    its group. The path already `walked` (source, dest pairs) and the present state are marked.
    """
    lines = ["stateDiagram-v2", f"    [*] --> {table.initial}"]
    edges: dict[tuple[str, str], list[str]] = {}
    for rule in table.rules:
        edges.setdefault((str(rule.source), str(rule.dest)), []).append(_label(rule))
    names = dict.fromkeys(interrupt.group.name for interrupt in table.interrupts)
    groups = {name: f"group{index}" for index, name in enumerate(names, 1)}
    for interrupt in table.interrupts:
        edges.setdefault((groups[interrupt.group.name], str(interrupt.dest)), []).append(_label(interrupt))
    lines += [f'    state "{name}" as {key}' for name, key in groups.items()]
    for (source, dest), labels in edges.items():
        lines.append(f"    {source} --> {dest}: {', '.join(dict.fromkeys(labels))}")
    lines += [f"    {state} --> [*]" for state in table.states if state in table.finals]
    passed = {state for edge in walked for state in edge}
    if passed:
        lines += ["    classDef walked fill:#d7f0d7", f"    class {','.join(sorted(passed))} walked"]
    if here:
        lines += ["    classDef here fill:#ffe3a3,stroke-width:3px", f"    class {here} here"]
    return "\n".join(lines) + "\n"


def markdown(table: Table) -> str:
    """The rules as a Markdown table, in the order of the life of a run; then the interrupts, and the states of their
    groups.
    """
    rows = ["| in | on | guards | to | why |", "|---|---|---|---|---|"]
    rows += [_row(f"`{rule.source}`", rule) for rule in table.rules]
    rows += [_row(interrupt.group.name, interrupt) for interrupt in table.interrupts]
    groups = {interrupt.group.name: interrupt.group.states for interrupt in table.interrupts}
    rows += [
        f"\n{name[0].upper()}{name[1:]}: {', '.join(f'`{each}`' for each in states)}."
        for name, states in groups.items()
    ]
    return "\n".join(rows) + "\n"


def _row(source: str, rule: Rule | Interrupt) -> str:
    return f"| {source} | `{rule.trigger}` | {', '.join(_guards(rule))} | `{rule.dest}` | {rule.why} |"


def _label(rule: Rule | Interrupt) -> str:
    guards = _guards(rule)
    return f"{rule.trigger} [{' & '.join(guards)}]" if guards else str(rule.trigger)


def _guards(rule: Rule | Interrupt) -> list[str]:
    unless = rule.unless if isinstance(rule, Rule) else ()
    return [guard.__name__ for guard in rule.when] + [f"not {guard.__name__}" for guard in unless]
