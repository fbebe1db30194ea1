"""One finding of a check."""

from __future__ import annotations

from typing import Literal

import msgspec

from rpd.states.ports.exits import Exit


class Finding(msgspec.Struct, frozen=True):
    """`level` is "error" (the job cannot run as it is), "warning" (it may not run, or rpd could not find out) or "note"
    (how rpd understands a word of the file). `check` is the name of the check. `exit_code` is the exit code of the
    command for an error."""

    level: Literal["error", "warning", "note"]
    check: str
    message: str
    exit_code: int = Exit.USAGE

    @property
    def line(self) -> str:
        """One line, for people."""
        return f"{self.level}: {self.check}: {self.message}"


def note(check: str, message: str) -> Finding:
    """A fact to know."""
    return Finding("note", check, message)


def warning(check: str, message: str) -> Finding:
    """Something to look at."""
    return Finding("warning", check, message)


def error(check: str, message: str, exit_code: int = Exit.USAGE) -> Finding:
    """Something proved wrong."""
    return Finding("error", check, message, exit_code)
