"""The board as lines for a terminal of any width."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Sequence

from rpd.adapters.board.row import Board, BoardRow
from rpd.adapters.forensics.samples import BLOCKS, sparkline
from rpd.adapters.report.table import Column, table
from rpd.adapters.report.words import duration, money, one_line, plural, rate
from rpd.adapters.terminal.screen import BOLD, DIM, RED, REVERSED, YELLOW, Row

SPARK_WIDTH = 12
ASCII_BLOCKS = "_.-=+*%#"
KEYS = "up/down  l logs  i inspect  s shell  c cancel  r release  R resume  q quit"
DETAIL_LINES = 6
STALE_SECONDS = 30.0


def plain(board: Board, width: int | None, *, is_unicode: bool) -> list[str]:
    """The board as text, once."""
    lines, left_out = _table(board.rows, width, is_unicode=is_unicode)
    notes = [f"{row.pod_id or row.name}: {row.note}" for row in board.rows if row.note]
    notes += [f"could not reach {text}" for text in board.unreachable]
    notes += [f"no room for: {', '.join(left_out)} (--json has all)"] if left_out else []
    return [summary(board), "", *lines, *([""] if notes else []), *map(one_line, notes)]


def drawn(board: Board, chosen: int, size: tuple[int, int], message: str, *, is_unicode: bool, now: float) -> list[Row]:
    """The whole screen of `size` columns and lines: totals, rows around the chosen one, details of it, and keys."""
    columns, lines = size
    age = now - board.asked_at
    head = f"rpd top  {time.strftime('%H:%M:%S', time.localtime(now))}  {summary(board)}"
    rows = [Row(line, BOLD) for line in _folded(head, columns)]
    rows += [Row(f"could not reach {one_line(text)}", RED) for text in board.unreachable]
    rows += [Row(f"the clouds last answered {duration(age)} ago", YELLOW)] if age > STALE_SECONDS else []
    texts, _ = _table(board.rows, columns, is_unicode=is_unicode)
    rows.append(Row(texts[0] if board.rows else "no runs and no pods", DIM))
    detail = _detail(board.rows[chosen]) if board.rows else []
    room = max(1, lines - len(rows) - min(DETAIL_LINES, len(detail)) - 3)
    begin = max(0, min(chosen - room // 2, len(board.rows) - room))
    for at in range(begin, min(begin + room, len(board.rows))):
        style = REVERSED if at == chosen else _style(board.rows[at])
        rows.append(Row(texts[at + 1].ljust(columns) if at == chosen else texts[at + 1], style))
    rows += [Row("")] * max(0, lines - len(rows) - len(detail) - 2)
    rows += [Row(line) for line in detail[:DETAIL_LINES]]
    rows.append(Row(message, YELLOW if message else ""))
    return [*rows[: lines - 1], Row(KEYS if columns >= len(KEYS) else "l i s c r R q", DIM)]


def summary(board: Board) -> str:
    """How much runs, and what it costs."""
    runs = sum(row.kind == "run" for row in board.rows)
    sessions = sum(row.kind == "session" for row in board.rows)
    up = sum(row.usd_per_hour > 0 for row in board.rows)
    parts = [plural(runs, "run"), *([plural(sessions, "session")] if sessions else []), f"{plural(up, 'pod')} up"]
    stored = f", stopped disks {money(board.stopped_usd_per_month)} a month" if board.stopped_usd_per_month else ""
    return f"{', '.join(parts)}, {rate(board.usd_per_hour)}{stored}"


def _folded(text: str, columns: int) -> list[str]:
    """A text of parts with commas, in as few lines of this width as it takes. No part is broken."""
    whole = text.replace(" ", "\xa0").replace(",\xa0", ", ")  # it folds at blanks
    lines = textwrap.wrap(whole, max(columns, 10), subsequent_indent="  ", break_long_words=False)
    return [line.replace("\xa0", " ") for line in lines]


def _table(rows: Sequence[BoardRow], width: int | None, *, is_unicode: bool) -> tuple[list[str], list[str]]:
    def cells(tell: Callable[[BoardRow], str]) -> tuple[str, ...]:
        return tuple(tell(row) for row in rows)

    if not rows:
        return ["no runs and no pods"], []
    room = 24 if width is not None and width < 160 else 60
    columns = [
        Column("NAME", cells(_title)),
        Column("STATE", cells(_state)),
        Column("FOR", cells(lambda row: "-" if row.for_seconds is None else duration(row.for_seconds)), 2, True),
        Column("GPU", cells(lambda row: (row.gpu or "-").removeprefix("NVIDIA ").removeprefix("GeForce ")), 3),
        Column("USE", cells(lambda row: _spark(row, is_unicode=is_unicode)), 1),
        Column("RATE", cells(lambda row: rate(row.usd_per_hour) if row.usd_per_hour else "-"), 0, True),
        Column("COST", cells(lambda row: "?" if row.cost_usd is None else money(row.cost_usd)), 2, True),
        Column("AWAITS", cells(lambda row: _cut(row.awaits or "-", room)), 4),
        Column("RELEASED BY", cells(lambda row: _cut(row.released_by or row.owner or "-", room)), 5),
    ]
    return table(columns, width)


def _title(row: BoardRow) -> str:
    """The pod of a finished run by its id: its name is long, and the run stands in the details."""
    return row.pod_id or row.name if row.kind == "pod" and row.run_id is not None else row.name


def _state(row: BoardRow) -> str:
    if row.kind == "pod" or row.status in (None, "RUNNING"):
        return row.state
    return f"{row.state} ({row.status})"


def _spark(row: BoardRow, *, is_unicode: bool) -> str:
    if not any(value is not None for value in row.use):
        return "-"
    graph = sparkline(list(row.use), SPARK_WIDTH, ceiling=100.0)
    last = next(value for value in reversed(row.use) if value is not None)
    return f"{graph if is_unicode else graph.translate(str.maketrans(BLOCKS, ASCII_BLOCKS))} {last:.0f} %"


def _style(row: BoardRow) -> str:
    if row.note and row.usd_per_hour:
        return RED
    return "" if row.usd_per_hour or row.pid else DIM


def _detail(row: BoardRow) -> list[str]:
    lines = [
        f"{row.kind:<8} {row.name}: {row.state}",
        f"pod      {row.pod_id} {row.status}, {row.gpu or '?'}" if row.pod_id else "pod      none",
        f"awaits   {row.awaits or '-'}",
        f"owner    {row.owner or '-'}",
        f"release  {row.released_by or '-'}",
        f"note     {row.note}" if row.note else "",
    ]
    return [one_line(line) for line in lines]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 3]}..."
