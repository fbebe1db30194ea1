"""The table as pictures and prose: Mermaid for documents and `rpd inspect --graph`, Markdown for the docs page."""

from __future__ import annotations

from collections.abc import Iterable

from rpd.engine.rule import Rule, Table


def mermaid(table: Table, *, walked: Iterable[tuple[str, str]] = (), here: str | None = None) -> str:
    """A Mermaid state diagram. Edges between the same two states are folded into one; the path already `walked`
    (source, dest pairs) and the present state are marked."""
    lines = ["stateDiagram-v2", f"    [*] --> {table.initial}"]
    edges: dict[tuple[str, str], list[str]] = {}
    for rule in table.rules:
        edges.setdefault((str(rule.source), str(rule.dest)), []).append(_label(rule))
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
    """The rules as a Markdown table, in the order of the life of a run."""
    rows = ["| in | on | guards | to | why |", "|---|---|---|---|---|"]
    for rule in table.rules:
        guards = ", ".join([g.__name__ for g in rule.when] + [f"not {g.__name__}" for g in rule.unless])
        rows.append(f"| `{rule.source}` | `{rule.trigger}` | {guards} | `{rule.dest}` | {rule.why} |")
    return "\n".join(rows) + "\n"


def _label(rule: Rule) -> str:
    guards = [g.__name__ for g in rule.when] + [f"not {g.__name__}" for g in rule.unless]
    return f"{rule.trigger} [{' & '.join(guards)}]" if guards else str(rule.trigger)
