"""One thing that was looked at."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from rpd.states.ports.exits import Exit


class Status(StrEnum):
    """How it stands. A problem changes the exit code, and a warning does if it hides what may be a problem."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class Fix(msgspec.Struct, frozen=True):
    """A mend that is provably safe: the question for it, and the deed. The deed raises UserError or OSError."""

    question: str
    do: Callable[[], None]


class Check(msgspec.Struct, frozen=True):
    """What was found. `mend` is what to type. `exit_code` is the one that it asks for until it is mended. `is_fixed`:
    it was mended just now."""

    name: str
    status: Status
    message: str
    mend: str = ""
    exit_code: int = Exit.DONE
    fix: Fix | None = None
    is_fixed: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is a problem that is left."""
        return self.status is Status.PROBLEM and not self.is_fixed

    def document(self) -> dict[str, Any]:
        """It as plain data."""
        return {
            "name": self.name,
            "status": str(self.status),
            "message": self.message,
            "mend": self.mend or None,
            "can_fix": self.fix is not None,
            "is_fixed": self.is_fixed,
        }


def ok(name: str, message: str) -> Check:
    """As it should be."""
    return Check(name, Status.OK, message)


def note(name: str, message: str, mend: str = "") -> Check:
    """A fact to know."""
    return Check(name, Status.NOTE, message, mend)


def warning(name: str, message: str, mend: str = "", fix: Fix | None = None) -> Check:
    """It may do harm later."""
    return Check(name, Status.WARNING, message, mend, fix=fix)


def unknown(name: str, message: str, mend: str = "") -> Check:
    """What could not be asked. It may hide a problem, so it is no success."""
    return Check(name, Status.WARNING, message, mend, Exit.INTERNAL)


def problem(name: str, message: str, mend: str = "", exit_code: int = Exit.INTERNAL, fix: Fix | None = None) -> Check:
    """It does harm now."""
    return Check(name, Status.PROBLEM, message, mend, exit_code, fix)
