"""`rpd runs`: all runs at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from rpd.adapters import api
from rpd.adapters.cli import output
from rpd.adapters.forensics.row import RunRow
from rpd.adapters.report.words import duration, money, one_line


def list_runs(*, workflow: str | None, limit: int, root: Path | None, as_json: bool) -> int:
    """Print the newest runs. Exit code 0, also when there are none."""
    found = [row for row in api.runs(root) if workflow is None or row.workflow == workflow]
    shown = found[:limit] if limit > 0 else found
    if as_json:
        output.answer(
            {"schema": "rpd.runs/1", "total": len(found), "runs": [msgspec.to_builtins(row) for row in shown]}
        )
        return 0
    output.text(table([_cells(row) for row in shown]) if shown else ["no runs"])
    if len(found) > len(shown):
        output.note([f"{len(found) - len(shown)} older ones are not shown (--limit 0)"])
    return 0


def table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...] = ()) -> list[str]:
    """Columns as wide as their widest cell; the last one is left as it is."""
    heads = header or ("STARTED", "RUN", "END", "GPU", "TIME", "COST")
    lines = [heads, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _cells(row: RunRow) -> tuple[str, ...]:
    if row.outcome is None:
        end = f"unfinished: {row.state or '?'}"
    else:
        end = row.outcome if row.outcome == "succeeded" or not row.reason else f"{row.outcome}: {row.reason}"
    cells = (
        (row.started or "?")[:19],
        row.run_id,
        end,
        row.gpu or "-",
        duration(row.wall_seconds) if row.wall_seconds is not None else "?",
        money(row.cost_usd) if row.cost_usd is not None else "?",
    )
    return tuple(one_line(cell) for cell in cells)
