"""`rpd runs`: a list of all runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from rpd.adapters.forensics.chosen import Chosen
from rpd.adapters.forensics.listing import all_rows
from rpd.adapters.forensics.row import RunRow
from rpd.adapters.report.table import Column, terminal_width
from rpd.adapters.report.table import table as columns_of
from rpd.adapters.report.words import duration, local_minute, money, one_line
from rpd.adapters.terminal import output


def list_runs(chosen: Chosen, *, limit: int, root: Path | None, as_json: bool) -> int:
    """Print the newest runs. Exit code 0, also if there are none."""
    found = [row for row in all_rows(root) if chosen.holds(row.workflow, row.outcome, row.started)]
    shown = found[:limit] if limit > 0 else found
    if as_json:
        output.answer(
            {"schema": "rpd.runs/1", "total": len(found), "runs": [msgspec.to_builtins(row) for row in shown]}
        )
        return 0
    left_out: list[str] = []
    lines = ["no runs"]
    if shown:
        lines, left_out = columns_of(_columns(shown), terminal_width())
    output.text(lines)
    for row in shown:
        if row.problem is not None:
            output.note([one_line(f"warning: {row.run_id}: {row.problem}")])
    if left_out:
        output.note([f"no room for: {', '.join(left_out)} (--json has all)"])
    if len(found) > len(shown):
        output.note([f"{len(found) - len(shown)} older ones are not shown (--limit 0)"])
    return 0


def table(rows: Sequence[tuple[str, ...]], heads: tuple[str, ...]) -> list[str]:
    """Columns as wide as their widest cell. The last column keeps its width."""
    lines = [heads, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _columns(rows: Sequence[RunRow]) -> list[Column]:
    def cells(tell: Callable[[RunRow], str]) -> tuple[str, ...]:
        return tuple(tell(row) for row in rows)

    return [
        Column("STARTED", cells(lambda row: local_minute(row.started)), 4),
        Column("WORKFLOW", cells(lambda row: row.workflow), 5),
        Column("RUN", cells(lambda row: row.run_id)),
        Column("END", cells(_end)),
        Column("GPU", cells(lambda row: (row.gpu or "-").removeprefix("NVIDIA ").removeprefix("GeForce ")), 2),
        Column("DC", cells(lambda row: row.datacenter or "-"), 6),
        Column("TIME", cells(lambda row: "?" if row.wall_seconds is None else duration(row.wall_seconds)), 3, True),
        Column("COST", cells(lambda row: "?" if row.cost_usd is None else money(row.cost_usd)), 1, True),
    ]


def _end(row: RunRow) -> str:
    if row.outcome is not None:
        end = row.outcome if row.outcome == "succeeded" or not row.reason else f"{row.outcome}: {row.reason}"
        return f"{end}, its pod is kept up" if row.is_kept else end
    if row.is_left and row.problem is None:
        return "stopped, waits for you"
    if row.problem is not None:
        return f"unreadable after {row.state}" if row.state else "?"
    return f"unfinished: {row.state or '?'}"
