"""One thing that a check has found."""

from __future__ import annotations

from typing import Literal

import msgspec

from rpd.states.ports.exits import Exit


class Finding(msgspec.Struct, frozen=True):
    """`level` is "error" (the job cannot run as it is), "warning" (it may not, or nobody could say) or "note"
    (how a word of the file is understood). `check` is the name of the check, `exit_code` what the command ends with for
    an error."""

    level: Literal["error", "warning", "note"]
    check: str
    message: str
    exit_code: int = Exit.USAGE

    @property
    def line(self) -> str:
        """In one line, for people."""
        return f"{self.level}: {self.check}: {self.message}"


def note(check: str, message: str) -> Finding:
    """Something to know."""
    return Finding("note", check, message)


def warning(check: str, message: str) -> Finding:
    """Something to look at."""
    return Finding("warning", check, message)


def error(check: str, message: str, exit_code: int = Exit.USAGE) -> Finding:
    """Something proved wrong."""
    return Finding("error", check, message, exit_code)
