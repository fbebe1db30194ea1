"""Questions to a person at a terminal: a line, yes or no, a secret, one or several of a list.

Lists have arrows and type-to-filter where the terminal can draw them, and numbers elsewhere. All of it is on stderr.
Ctrl-C and the end of input raise KeyboardInterrupt.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from rpd.adapters.local.caller import program
from rpd.adapters.report.paint import is_terminal
from rpd.adapters.report.words import one_line
from rpd.adapters.terminal import output


class Choice(NamedTuple):
    """One row of a list: its value, and the words for it."""

    value: str
    title: str


def can_prompt() -> bool:
    """Whether a person sees questions and can answer them."""
    return program() is None and sys.stdin.isatty() and sys.stderr.isatty()


def typed(question: str, default: str = "") -> str:
    """A line, without blanks around it. An empty line means the default."""
    output.prompt(f"{question} [{default}] " if default else f"{question} ")
    line = sys.stdin.readline()
    if not line:
        output.note([""])
        raise KeyboardInterrupt
    return line.strip() or default


def confirmed(question: str, *, default: bool) -> bool:
    """Yes or no; an empty line means the default, and what is neither is asked again."""
    while True:
        word = typed(f"{question} [{'Y/n' if default else 'y/N'}]").lower()
        if word in ("", "y", "yes", "n", "no"):
            return default if not word else word.startswith("y")


def hidden(question: str) -> str:
    """A line that the terminal does not show."""
    import getpass

    try:
        return getpass.getpass(f"{question} ", stream=sys.stderr).strip()
    except EOFError:
        output.note([""])
        raise KeyboardInterrupt from None


def picked(question: str, choices: Sequence[Choice], default: str | None = None) -> str:
    """The value of one row."""
    rows = _clean(choices)
    first = next((each for each in rows if each.value == default), rows[0])
    if not is_terminal(sys.stderr):
        return rows[_numbers(question, rows, [first], most=1)[0]].value
    import questionary

    shown = [questionary.Choice(each.title, value=each.value) for each in rows]
    at = shown[rows.index(first)]
    asked = questionary.select(question, shown, default=at, instruction=_INSTRUCTION, **_DRAWN, **_output())
    _take_nothing_unmatched(asked.application)
    return str(asked.unsafe_ask())


def picked_some(question: str, choices: Sequence[Choice], default: Sequence[str] = ()) -> list[str]:
    """The values of any number of rows, in the order of the list."""
    rows = _clean(choices)
    marked = [each for each in rows if each.value in default]
    if not is_terminal(sys.stderr):
        return [rows[at].value for at in _numbers(question, rows, marked, most=len(rows))]
    import questionary

    shown = [questionary.Choice(each.title, value=each.value, checked=each in marked) for each in rows]
    asked = questionary.checkbox(question, shown, instruction=_MARKING, **_DRAWN, **_output())
    return list(asked.unsafe_ask())


_INSTRUCTION = "(arrows, or type to filter; Enter)"
_MARKING = "(space marks, type to filter; Enter)"
_DRAWN: dict[str, Any] = {"use_search_filter": True, "use_jk_keys": False}


def _take_nothing_unmatched(application: Any) -> None:
    """Let Enter do nothing while no row fits what was typed: questionary then shows all rows, and would take one that
    nobody has named."""
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings
    from prompt_toolkit.keys import Keys
    from questionary.prompts.common import InquirerControl

    (rows,) = (each for each in application.layout.find_all_controls() if isinstance(each, InquirerControl))
    keys = KeyBindings()

    @Condition
    def fits_nothing() -> bool:
        _ = rows.filtered_choices  # it says anew whether something was found
        return bool(rows.search_filter) and not rows.found_in_search

    @keys.add(Keys.ControlM, eager=True, filter=fits_nothing)
    def refuse(event: Any) -> None:
        event.app.output.bell()

    application.key_bindings = merge_key_bindings([application.key_bindings, keys])


def _clean(choices: Sequence[Choice]) -> list[Choice]:
    return [Choice(each.value, one_line(each.title)) for each in choices]


def _output() -> dict[str, Any]:
    """Draw on stderr, without asking the terminal where its cursor is: not every terminal answers."""
    from prompt_toolkit.data_structures import Size
    from prompt_toolkit.output.vt100 import Vt100_Output

    def size() -> Size:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
        return Size(rows=rows or 24, columns=columns or 80)  # some terminals do not say how large they are

    return {"output": Vt100_Output(sys.stderr, size, term=os.environ.get("TERM"), enable_cpr=False)}


def _numbers(question: str, rows: list[Choice], marked: list[Choice], *, most: int) -> list[int]:
    """The places of the rows whose numbers were typed."""
    output.note([question, *(f"  {at}. {each.title}" for at, each in enumerate(rows, 1))])
    default = ",".join(str(rows.index(each) + 1) for each in marked)
    while True:
        words = typed("Number:" if most == 1 else "Numbers, with commas:", default).replace(",", " ").split()
        if all(word.isdecimal() and 0 < int(word) <= len(rows) for word in words) and (words or most > 1):
            return sorted({int(word) - 1 for word in words})[:most]
