"""Rows in columns. On a narrow terminal, the least important columns are left out."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import msgspec

from rpd.adapters.report.words import one_line

GUTTER = 2


class Column(msgspec.Struct, frozen=True):
    """A heading and its cells. If there is no room, columns with the highest `rank` go first. Rank 0 stays."""

    head: str
    cells: tuple[str, ...]
    rank: int = 0
    is_number: bool = False

    @property
    def width(self) -> int:
        """The width of its widest cell."""
        return max(len(text) for text in (self.head, *self.cells))

    def fitted(self, text: str) -> str:
        """A cell as wide as the column."""
        return text.rjust(self.width) if self.is_number else text.ljust(self.width)


def terminal_width() -> int | None:
    """Columns of the terminal on stdout. None if a line may have any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(columns: Sequence[Column], width: int | None) -> tuple[list[str], list[str]]:
    """The lines of a table, and the headings that have no room in `width` characters."""
    shown = [msgspec.structs.replace(each, cells=tuple(map(one_line, each.cells))) for each in columns]
    left_out: list[str] = []
    while width is not None and sum(each.width + GUTTER for each in shown) - GUTTER > width:
        least = max(shown, key=lambda each: each.rank)
        if least.rank == 0:
            break
        shown.remove(least)
        left_out.append(least.head.lower())
    rows = [tuple(each.head for each in shown), *zip(*(each.cells for each in shown), strict=True)]
    joined = [zip(shown, row, strict=True) for row in rows]
    return [(" " * GUTTER).join(each.fitted(cell) for each, cell in line).rstrip() for line in joined], left_out
