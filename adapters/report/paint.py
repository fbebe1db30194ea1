"""Lines for a person on a terminal: broken between words, with colour on the important words. Elsewhere a line stays as
it is."""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from typing import TextIO

LEAST_WIDTH = 40
"""On a narrower terminal no line is broken: there would be more breaks than words."""

RED, YELLOW, GREEN = "1;31", "33", "32"
_COLOURS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (RED, re.compile(r"(error:|problem:|BILLING\b[^:\n]{0,60}:?|DAMAGED|CUT|OPEN|NOT RELEASED:?)(?= |$)")),
    (RED, re.compile(r"(failed|lost|refused)(?= in \d| \()")),
    (YELLOW, re.compile(r"(warning:|beware|stopped:|paused: |kept up:|unfinished)(?= )")),
    (YELLOW, re.compile(r"cancelled(?= in \d| \()")),
    (GREEN, re.compile(r"(succeeded(?= in \d)|verified(?= ))")),
)
_COLUMN = re.compile(r"(.{0,24}\s{2,}|\S{1,12}: +|\s*)(?=\S)")
"""The part before the text of a line: a label, or times and numbers in columns."""


def is_terminal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the stream is a terminal for a person, with more than plain lines."""
    return stream.isatty() and environ.get("TERM") != "dumb"


def has_colour(environ: Mapping[str, str] = os.environ) -> bool:
    """`NO_COLOR` removes the colour, and nothing else."""
    return not environ.get("NO_COLOR")


def painted(line: str, width: int, *, colour: bool) -> str:
    """A clean line in the best form for a terminal of this width."""
    rows = list(_rows(line, width))
    if colour:
        rows[0] = _coloured(rows[0])
    return "\n".join(rows)


def width_of(stream: TextIO) -> int:
    """Columns of the terminal behind a stream."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or shutil.get_terminal_size().columns
    except (OSError, ValueError):
        return shutil.get_terminal_size().columns


def _rows(line: str, width: int) -> Iterator[str]:
    """The line broken between words. A part without a blank, such as a path, stays whole, and the terminal breaks
    it."""
    if len(line) <= width or width < LEAST_WIDTH:
        yield line
        return
    match = _COLUMN.match(line)
    head = match[0] if match is not None and len(match[0]) < width // 2 else ""
    words = textwrap.TextWrapper(
        width - len(head),
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
    for number, row in enumerate(words.wrap(line[len(head) :]) or [""]):
        yield (head if number == 0 else " " * len(head)) + row


def _coloured(row: str) -> str:
    for code, pattern in _COLOURS:
        match = pattern.match(row)
        if match is not None:
            return f"\x1b[{code}m{match[0]}\x1b[0m{row[match.end() :]}"
    return row
