"""Ask a person before something is done that cannot be undone."""

from __future__ import annotations

import sys

from rpd.adapters.local.caller import program
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError

DECLINED = 3
"""Exit code of a person's no."""
INTERRUPTED = 130
"""Exit code of Ctrl-C at a question."""


def can_ask() -> bool:
    """Whether a person at a terminal can be asked."""
    return program() is None and sys.stdin.isatty()


def ask(question: str, wanted: tuple[str, ...], *, yes: bool, hint: str, undone: str) -> None:
    """Go on only with `--yes`, or if a person types one of these words on a terminal. Raises UserError, whose message
    is `undone`."""
    if yes:
        return
    if not can_ask():
        raise UserError(f"{undone}: there is no terminal to ask on, and no --yes", reason="needs_yes", hint=hint)
    if answer(question, undone=undone) not in [word.strip() for word in wanted]:
        raise UserError(undone, exit_code=DECLINED, reason="declined")


def answer(question: str, *, undone: str) -> str:
    """The text typed on the terminal, without blanks around it. Raises UserError for Ctrl-C, which is a no."""
    output.prompt(question)
    try:
        return sys.stdin.readline().strip()
    except KeyboardInterrupt:
        output.note([""])
        raise UserError(undone, exit_code=INTERRUPTED, reason="interrupted") from None
