"""The caller: a person, who sees things and answers questions, or a program, which gets events (`import rpd`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rpd.journal.store import Journal


class Program(Protocol):
    """A program that drives a run in this process. `takes_signals`: this process's signals are meant for the run."""

    takes_signals: bool

    def told(self, lines: list[str]) -> None:
        """Get the lines that a person would read on stderr."""
        ...

    def view(self, facts: Any, journal: Journal) -> AbstractContextManager[Any]:
        """The listener in place of the view for a person. `facts` are those of the records that the journal holds
        already."""
        ...


_program: ContextVar[Program | None] = ContextVar("program", default=None)


def program() -> Program | None:
    """The program that has called in this thread. None for a person."""
    return _program.get()


@contextlib.contextmanager
def called_by(caller: Program) -> Iterator[None]:
    """In this block, in this thread, the caller is this program."""
    before = _program.set(caller)
    try:
        yield
    finally:
        _program.reset(before)
