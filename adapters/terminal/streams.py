"""The standard streams, whatever state they are given in: a daemon starts commands without any, a disk under them may
be full, and their reader may be gone."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def stand_in() -> None:
    """Effect: put /dev/null where a standard stream is closed. Otherwise the next file that is opened, such as a
    journal, gets its number, and whatever a library or a child prints goes into that file."""
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
    """Effect: nothing more can be said to this reader; what follows, and the flush at exit, goes nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def settle() -> bool:
    """Effect: write what the standard streams still hold, so that the exit code is ours and not that of a flush.
    Whether standard output got what was meant for it, or has no reader who could miss it."""
    is_said = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            is_said = is_said and (stream is sys.stderr or isinstance(error, BrokenPipeError))
            with contextlib.suppress(OSError, ValueError):
                give_up(stream)
    return is_said
