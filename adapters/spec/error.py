"""What is wrong with a job file: every problem at once, each with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import msgspec

from rpd.engine.errors import UserError

Path = tuple[str | int, ...]
"""The place of a value in the document: keys and list positions from the root."""

MOST_SHOWN = 50
"""How many problems are printed in full."""

MOST_COLLECTED = 500
"""How many problems are collected; a hostile file may hold a hundred thousand."""

MOST_NAMES = 60
"""How many names one message lists or compares."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """One problem to correct. Lines and columns count from 1."""

    line: int
    column: int
    path: str
    message: str


class SpecError(UserError):
    """The job file cannot be used. `problems` holds all problems found, in the order of the file."""

    reason = "invalid_spec"

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        lines = [f"{file}:{p.line}: {p.path}: {p.message}" for p in self.problems[:MOST_SHOWN]]
        if len(self.problems) > MOST_SHOWN:
            lines.append(f"{file}: and {len(self.problems) - MOST_SHOWN} more")
        super().__init__("\n".join(lines), hint="rpd schema job   describes every field")


def path_text(path: Path) -> str:
    """`pod.gpu_order[1]` for ("pod", "gpu_order", 1)."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text or "(whole file)"


def name_list(names: Sequence[str]) -> str:
    """The names with commas. The rest of a very long list is counted."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def suggestion(word: str, known: Sequence[str]) -> str:
    """` (did you mean 'x'?)`, or nothing if no known word is similar."""
    close = difflib.get_close_matches(word[:80], known[:MOST_NAMES], n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""
