"""`rpd compare`: two runs, field by field."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from rpd.adapters.local.clock import SystemClock
from rpd.adapters.report.table import terminal_width
from rpd.adapters.report.words import one_line, plural
from rpd.adapters.runs.finding import loaded_run, manifest_beside
from rpd.adapters.terminal import output

LINE_MAX = 160
"""The width of a line that goes to no terminal."""
BEFORE = 20
"""How many characters to show of the common part of two long values."""
OWN = re.compile(
    r"(^|\.)(run_dir|journal|journal_path|pod_id|pod_name|started|updated|config_sha256|manifest_sha256"
    r"|\w+_at_utc|\w*cost_usd|\w*duration_sec|\w*billed_(time_sec|seconds)|wall_(seconds|time_sec))$"
    r"|^pods\[\d+\]\.(id|name)$|^seconds_per_state\.|^config\.variables\."
)
"""Fields that differ in every run: ids, places, moments, durations, costs, and fields that are repeated elsewhere. The
run's id is not among them: it tells which two runs are compared."""


def compare_runs(one: str, other: str, *, only_changed: bool, as_json: bool) -> int:
    """Print every field of both runs, or only the different ones. Exit code 1 when one of the two is over and failed,
    so that a script may use it as a gate."""
    rows = []
    failed = False
    for name in (one, other):
        loaded = loaded_run(name)
        row = loaded.row(SystemClock().now())
        failed = failed or row.failed
        rows.append(flat({**(loaded.manifest or manifest_beside(loaded) or {}), **_said(msgspec.to_builtins(row))}))
    a, b = rows
    plain_a, plain_b = _impersonal(a), _impersonal(b)
    fields = [
        {"field": name, "is_equal": plain_a.get(name) == plain_b.get(name), "a": a.get(name), "b": b.get(name)}
        if not OWN.search(name)
        else {"field": name, "is_equal": a.get(name) == b.get(name), "is_own": True, "a": a.get(name), "b": b.get(name)}
        for name in sorted({*a, *b})
    ]
    own = sum(not field["is_equal"] and "is_own" in field for field in fields)
    changed = sum(not field["is_equal"] for field in fields) - own * only_changed
    equal = sum(bool(field["is_equal"]) for field in fields)
    if only_changed:
        fields = [field for field in fields if not field["is_equal"] and "is_own" not in field]
    if as_json:
        counts = {"changed": changed, "equal": equal, "own": own}
        output.answer({"schema": "rpd.compare/1", "a": one, "b": other, **counts, "fields": fields})
    else:
        output.text(line for field in fields for line in _lines(field, terminal_width() or LINE_MAX))
        output.text([f"{plural(changed, 'field')} changed, {equal} equal"])
        if only_changed and own:
            output.text([f"{own} more are each run's own (ids, paths, times, cost); without --changed they are shown"])
    return 1 if failed else 0


def _impersonal(row: dict[str, Any]) -> dict[str, Any]:
    """The same row without the run's own name in texts: two runs of one file write their results into folders that
    differ only by that name."""
    names = [str(row[name]) for name in ("run_dir", "run_id") if row.get(name)]

    def plain(value: Any) -> Any:
        for name in names if isinstance(value, str) else ():
            value = value.replace(name, "")
        return value

    return {name: value if name == "run_id" else plain(value) for name, value in row.items()}


def _lines(field: dict[str, Any], width: int) -> list[str]:
    """One line, or three if one would be too wide: the field, then both values from where they differ."""
    name, one, other = field["field"], str(field["a"]), str(field["b"])
    if field["is_equal"]:
        return [_cut(one_line(f"  {name}: {one}"), width)]
    line = one_line(f"* {name}: {one} -> {other}")
    if len(line) <= width:
        return [line]
    shorter = min(len(one), len(other))
    same = next((at for at in range(shorter) if one[at] != other[at]), shorter)
    start = max(0, same - BEFORE) if same > 2 * BEFORE else 0
    dots = "…" if start else ""
    values = (f"    {sign} {dots}{one_line(text[start:])}" for sign, text in (("-", one), ("+", other)))
    return [one_line(f"* {name}:"), *(_cut(value, width) for value in values)]


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"


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
