"""What a process in the background says in its log: one line a message, without secrets."""

from __future__ import annotations

from rpd.adapters.access.clouds import redactor
from rpd.adapters.report.words import one_line
from rpd.adapters.terminal import output
from rpd.engine.errors import RpdError
from rpd.journal.errors import JournalError


def say(text: str) -> None:
    """Effect: write one line."""
    output.note([redactor().mask(one_line(text))])


def say_error(error: RpdError | JournalError) -> None:
    """Effect: write what went wrong, and what to type."""
    say(error.message + (f" (hint: {error.hint})" if error.hint else ""))
