"""`rpd compare`: two runs, field by field."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.adapters import api
from rpd.adapters.cli import output
from rpd.adapters.cli.events import loaded_run
from rpd.adapters.cli.summary import manifest_beside
from rpd.adapters.report.words import one_line


def compare_runs(one: str, other: str, *, as_json: bool) -> int:
    """Print every field of either; exit code 1 when one of the two is over and failed, so that a script may use it as a
    gate."""
    rows = []
    failed = False
    for name in (one, other):
        loaded = loaded_run(name)
        row = loaded.row(api.now())
        failed = failed or row.failed
        rows.append(flat({**(loaded.manifest or manifest_beside(row) or {}), **_said(msgspec.to_builtins(row))}))
    a, b = rows
    fields = [
        {"field": name, "is_equal": a.get(name) == b.get(name), "a": a.get(name), "b": b.get(name)}
        for name in sorted({*a, *b})
    ]
    if as_json:
        output.answer({"schema": "rpd.compare/1", "a": one, "b": other, "fields": fields})
    else:
        for field in fields:
            same = f"  {field['field']}: {field['a']}"
            changed = f"* {field['field']}: {field['a']} -> {field['b']}"
            output.text([one_line(same if field["is_equal"] else changed)])
    return 1 if failed else 0


def _said(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings and lists as `a.b[0].c`."""
    found: dict[str, Any] = {}
    for name, item in value.items():
        path = f"{prefix}{name}"
        if isinstance(item, dict):
            found |= flat(item, f"{path}.")
        elif isinstance(item, list):
            for at, each in enumerate(item):
                found |= flat(each, f"{path}[{at}].") if isinstance(each, dict) else {f"{path}[{at}]": each}
        else:
            found[path] = item
    return found
