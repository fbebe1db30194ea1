"""The one printer: a JSON document or text on stdout, notes for people on stderr. A reader that went away is no error.
A note that cannot be written is no error either, because the work of a command does not depend on notes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from rpd.adapters.local.caller import program
from rpd.adapters.report.paint import has_colour, is_terminal, painted, width_of
from rpd.adapters.report.words import clean, in_encoding
from rpd.adapters.terminal.streams import give_up


def answer(document: dict[str, Any]) -> None:
    """Print exactly one JSON document on stdout."""
    import json

    _write(sys.stdout, json.dumps(document, indent=2, default=str) + "\n")


def text(lines: Iterable[str]) -> None:
    """Print lines on stdout, without terminal control except our own colours."""
    _write_lines(sys.stdout, lines)


def exact(lines: Iterable[str]) -> None:
    """The same for text that is no prose: a diff, a diagram, a file. A line stays one line."""
    _write(sys.stdout, "".join(f"{clean(line)}\n" for line in lines))


def copy(chunk: bytes) -> None:
    """Print bytes on stdout unchanged. A terminal gets only the text in them, without terminal control. Raises
    BrokenPipeError if the reader went away, because it is useless to go on."""
    if sys.stdout.isatty():
        _write(sys.stdout, clean(chunk.decode("utf-8", "replace")))
    else:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def note(lines: Iterable[str]) -> None:
    """Print lines for people on stderr, cleaned in the same way. If the caller is a program, it gets the lines
    instead."""
    if (caller := program()) is not None:
        caller.told([clean(line) for line in lines])
    else:
        _write_lines(sys.stderr, lines)


def prompt(words: str) -> None:
    """Print a question on stderr. The answer is typed in the same line."""
    _write(sys.stderr, clean(words))


def _write_lines(stream: TextIO, lines: Iterable[str]) -> None:
    shown: Iterable[str] = map(clean, lines)
    if is_terminal(stream):
        width, colour = width_of(stream), has_colour()
        shown = (painted(row, width, colour=colour) for line in shown for row in line.split("\n"))
    _write(stream, "".join(f"{line}\n" for line in shown))


def _write(stream: TextIO, words: str) -> None:
    try:
        stream.write(in_encoding(words, stream.encoding))
        stream.flush()
    except BrokenPipeError:
        give_up(stream)
    except OSError:
        if stream is not sys.stderr:
            raise
        give_up(stream)
