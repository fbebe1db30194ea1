"""The one printer: a JSON document on stdout, or text; notes for people on stderr. A reader that went away is no
error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from rpd.adapters.report.words import clean, in_encoding


def answer(document: dict[str, Any]) -> None:
    """Exactly one JSON document on stdout."""
    import json

    _write(sys.stdout, json.dumps(document, indent=2, default=str) + "\n")


def text(lines: Iterable[str]) -> None:
    """Lines on stdout, without anything that steers a terminal."""
    _write(sys.stdout, "".join(f"{clean(line)}\n" for line in lines))


def note(lines: Iterable[str]) -> None:
    """Lines for people on stderr, cleaned likewise."""
    _write(sys.stderr, "".join(f"{clean(line)}\n" for line in lines))


def _write(stream: TextIO, words: str) -> None:
    try:
        stream.write(in_encoding(words, stream.encoding))
        stream.flush()
    except BrokenPipeError:
        _give_up(stream)


def _give_up(stream: TextIO) -> None:
    """Nothing more can be said to this reader; what follows, and the flush at exit, goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
