"""The one printer: a JSON document on stdout, or text; notes for people on stderr. A reader that went away is no
error, and neither are notes that cannot be kept: what a command did does not depend on them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from rpd.adapters.local.caller import program
from rpd.adapters.report.paint import has_colour, is_terminal, painted, width_of
from rpd.adapters.report.words import clean, in_encoding
from rpd.adapters.terminal.streams import give_up


def answer(document: dict[str, Any]) -> None:
    """Exactly one JSON document on stdout."""
    import json

    _write(sys.stdout, json.dumps(document, indent=2, default=str) + "\n")


def text(lines: Iterable[str]) -> None:
    """Lines on stdout, without anything that steers a terminal but our own colours."""
    _write_lines(sys.stdout, lines)


def exact(lines: Iterable[str]) -> None:
    """The same for what is no prose: a diff, a diagram, a file. A line stays one line."""
    _write(sys.stdout, "".join(f"{clean(line)}\n" for line in lines))


def copy(chunk: bytes) -> None:
    """Bytes on stdout as they are; a terminal gets what is text in them, without anything that steers it. Raises
    BrokenPipeError when their reader went away: there is no use in going on."""
    if sys.stdout.isatty():
        _write(sys.stdout, clean(chunk.decode("utf-8", "replace")))
    else:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def note(lines: Iterable[str]) -> None:
    """Lines for people on stderr, cleaned likewise; a program that has called hears them in their place."""
    if (caller := program()) is not None:
        caller.told([clean(line) for line in lines])
    else:
        _write_lines(sys.stderr, lines)


def prompt(words: str) -> None:
    """A question on stderr; the answer is typed in the same line."""
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
