"""The standard streams in any state: a daemon starts commands without streams, a disk under them may be full, and their
reader may be gone."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def stand_in() -> None:
    """Effect: put /dev/null in place of a closed standard stream. Otherwise the next opened file, such as a journal,
    gets its number, and then the output of a library or a child goes into that file."""
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number, inheritable=True)
            if null != number:
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, errors="replace", closefd=False))  # noqa: SIM115


def give_up(stream: TextIO) -> None:
    """Effect: this reader gets nothing more. Later output, and the flush at exit, go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def settle() -> bool:
    """Effect: write what the standard streams still hold, so that the exit code is ours and not that of a flush.
    Returns whether standard output got all its text, or has no reader who could miss it."""
    is_written = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            is_written = is_written and (stream is sys.stderr or isinstance(error, BrokenPipeError))
            with contextlib.suppress(OSError, ValueError):
                give_up(stream)
    return is_written
