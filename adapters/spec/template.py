"""Placeholders in a job file.

`{identifier}` that is not preceded by `$` is a placeholder and must be known. `{{identifier}}` writes a literal
`{identifier}`. Every other brace stays as it is: `${HOME}`, `{1..5}`, `{"json": 1}`, `awk '{print $1}'`, `f"{x:.2f}"`,
`{{ RUNPOD_SECRET_x }}`. An identifier is an ASCII letter or underscore, then letters, digits and underscores, without
spaces. So awk's `{print}` IS a placeholder, and rpd reports it as unknown before it rents anything. Write `{{print}}`
or `{ print }` instead. rpd never renders a value that it has put in, so a value may hold any brace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from rpd.adapters.spec.error import name_list, suggestion

MAX_WRITTEN = 4 * 2**20
"""The most characters of all renderings of one file together: names that double names grow fast."""

MAX_CHAIN = 40
"""How many names may use one another in a row."""

_BRACES = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}|(?<!\$)\{([A-Za-z_][A-Za-z0-9_]*)\}")


class TemplateError(Exception):
    """A text that cannot be rendered. `is_echo` is true if the cause is another value, which is reported at its own
    place."""

    def __init__(self, message: str, *, is_echo: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.is_echo = is_echo


def render(text: str, lookup: Callable[[str], str], known: Collection[str]) -> str:
    """Replace every placeholder by `lookup(name)`, in one pass. Raises TemplateError naming all unknown names."""
    unknown = [name for name in placeholders(text) if name not in known]
    if unknown:
        raise TemplateError(_unknown_text(unknown, known))
    return _BRACES.sub(lambda match: f"{{{match[1]}}}" if match[1] else lookup(match[2]), text)


def placeholders(text: str) -> tuple[str, ...]:
    """The names that `text` asks for, each once, in order."""
    return tuple(dict.fromkeys(_asked(text)))


def _asked(text: str) -> Iterator[str]:
    return (match[2] for match in _BRACES.finditer(text) if match[2])


def _unknown_text(unknown: list[str], known: Collection[str]) -> str:
    first, names = unknown[0], sorted(known)
    return (
        f"unknown {'name' if len(unknown) == 1 else 'names'} {name_list([f'{{{name}}}' for name in unknown])}"
        f"{suggestion(first, names)}; known: {name_list(names)}; "
        f"for the braces themselves write {{{{{first}}}}} or {{ {first} }}"
    )


class Scope:
    """The names that a job file may use. Each is computed on first use from others. A name that needs itself is an
    error."""

    def __init__(self) -> None:
        self._makers: dict[str, Callable[[], str]] = {}
        self._values: dict[str, str] = {}
        self._open: list[str] = []
        self._failed: dict[str, TemplateError] = {}
        self._written = 0
        self.used: set[str] = set()

    def define(self, name: str, maker: Callable[[], str]) -> None:
        """Define how `name` is computed."""
        self._makers[name] = maker

    def value(self, name: str) -> str:
        """The value of a defined name. Raises TemplateError, as an echo unless the names are tangled."""
        self.used.add(name)
        if name in self._values:
            return self._values[name]
        if name in self._failed:
            raise self._failed[name]
        if name in self._open:
            circle = " -> ".join([*self._open[self._open.index(name) :], name])
            raise _Tangle(f"{{{name}}} needs itself: {circle}")
        if len(self._open) >= MAX_CHAIN:
            raise _Tangle(f"{{{name}}} stands at the end of more than {MAX_CHAIN} names that use one another")
        self._open.append(name)
        try:
            self._values[name] = self._makers[name]()
        except TemplateError as error:
            is_tangle = isinstance(error, _Tangle)
            failure = _Tangle(error.message) if is_tangle else TemplateError(f"{{{name}}} is not usable", is_echo=True)
            self._failed[name] = failure
            raise failure from error
        finally:
            self._open.pop()
        return self._values[name]

    def render(self, text: str, *, is_hidden: Callable[[str], bool] = lambda _name: False) -> str:
        """Render with all names but the hidden ones, which exist and may not be used here."""
        for name in placeholders(text):
            if is_hidden(name):
                raise TemplateError(f"{{{name}}} is defined further down; move it above")
        known = self._makers.keys()
        size = len(text) + sum(len(self.value(match)) for match in _asked(text) if match in known)
        self._written += size
        if self._written > MAX_WRITTEN:
            raise _Tangle(f"the rendered file would be larger than {MAX_WRITTEN // 2**20} MiB")
        return render(text, self.value, known)


class _Tangle(TemplateError):
    """A problem between names that belongs to no single text. It is reported at each text that meets it."""
