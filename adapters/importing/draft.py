"""A job file that is being written: its fields, and the comments above them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from rpd.adapters.importing.document import Document, Path
from rpd.adapters.spec.types import IMPOSSIBLE
from rpd.adapters.spec.yaml_source import scalar

IMAGE = "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04"
"""For a file that names no image."""
SECTIONS = (
    "schema_version",
    "name",
    "variables",
    "pod",
    "storage",
    "budget",
    "provision",
    "env",
    "secrets",
    "remote_env",
    "setup",
    "staging",
    "preflight",
    "run",
    "artifacts",
    "retries",
    "lifecycle",
)
_PLAIN = re.compile(r"[A-Za-z_/.~][\w ./@+~=-]*(:[\w./@+~=-]+)*\Z", re.ASCII)
_PLACEHOLDER = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WIDTH = 110


class Draft:
    """Fields by place, in the order of the schema. `notes` are what a person has to know; each is a comment, too."""

    def __init__(self, document: Document, file: str) -> None:
        self.document = document
        self.notes: list[str] = []
        self._file = file
        self._fields: dict[str, Any] = {"schema_version": 2}
        self._comments: dict[Path, list[str]] = {}

    def put(self, value: Any, *path: str | int, why: str | None = None) -> None:
        """Set a field; None sets nothing. `why` becomes a comment above it."""
        if value is None:
            return
        below = self._fields
        for part in path[:-1]:
            below = below.setdefault(str(part), {})
        below[str(path[-1])] = value
        if why is not None:
            self.say(why, *path)

    def wish(self, source: Path, value: Any, *path: str) -> None:
        """Set a field that the source asks for, if job files can ask for it."""
        refusal = IMPOSSIBLE.get(".".join(path))
        if refusal is not None:
            self.lack(source, refusal, path[0])
        else:
            self.document.take(*source)
            self.put(value, *path)

    def add(self, value: Any, *path: str, why: str | None = None) -> None:
        """Append to a list of the file."""
        below = self._fields
        for part in path[:-1]:
            below = below.setdefault(part, {})
        items = below.setdefault(path[-1], [])
        items.append(value)
        if why is not None:
            self.say(why, *path, len(items) - 1)

    def get(self, *path: str) -> Any:
        """The present value, or None."""
        found: Any = self._fields
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def say(self, text: str, *path: str | int) -> None:
        """Add a comment above a field."""
        self._comments.setdefault(path, []).append(text)

    def lack(self, source: Path, why: str, *path: str | int) -> None:
        """A line of the source has no counterpart, or only a part of its meaning has one: say so above a field, and at
        the end."""
        self.document.take(*source)
        line = self.document.line(source)
        note = f"line {line}: {self.document.shown(source)}: {why}"
        self.notes.append(note)
        self.say(f"no counterpart: {note}", *path)

    def miss(self, text: str, *path: str | int) -> None:
        """Report what the job needs beside its lines and lacks here, in the same places."""
        self.notes.append(text)
        self.say(f"no counterpart: {text}", *path)

    def lack_the_rest(self, reasons: dict[str, str], usual: str) -> None:
        """The same for every part that was not taken, by the last key of its place. A section is split into its lines
        if there is more to say about them than about the section."""
        for left in list(self.document.left()):
            for place in self._parted(left, reasons):
                named = next((reasons[str(part)] for part in reversed(place) if str(part) in reasons), usual)
                self.lack(place, named)

    def _parted(self, place: Path, reasons: dict[str, str]) -> Iterator[Path]:
        value = self.document.look(*place)
        if any(str(part) in reasons for part in place) or not _knows(value, reasons):
            yield place
            return
        for part in value if isinstance(value, dict) else range(len(value)):
            yield from self._parted((*place, part), reasons)

    def text(self, head: Iterable[str]) -> str:
        """The whole file."""
        comments = [*head, *self._comments.get((), [])]
        lines = [line for each in comments for line in _comment(each, 0)]
        for name in SECTIONS:
            if name not in self._fields and (name,) not in self._comments:
                continue
            lines += [""] if name not in ("name",) else []
            lines += [line for each in self._comments.get((name,), []) for line in _comment(each, 0)]
            if name in self._fields:
                lines += self._lines_of(name, self._fields[name], (name,), 0)
        return "\n".join(lines) + "\n"

    def _lines_of(self, key: str, value: Any, path: Path, indent: int) -> Iterator[str]:
        pad = " " * indent
        if isinstance(value, dict) and value:
            yield f"{pad}{_scalar(key)}:"
            for name, item in value.items():
                yield from self._commented((*path, name), indent + 2)
                yield from self._lines_of(name, item, (*path, name), indent + 2)
        elif isinstance(value, list) and any(isinstance(item, dict) and len(item) > 1 for item in value):
            yield f"{pad}{_scalar(key)}:"
            for index, item in enumerate(value):
                yield from self._commented((*path, index), indent + 2)
                yield from self._item(item, (*path, index), indent + 2)
        elif isinstance(value, str) and "\n" in value and _can_be_block(value):
            yield f"{pad}{_scalar(key)}: {_block_head(value)}"
            yield from (f"{pad}  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
        else:
            yield f"{pad}{_scalar(key)}: {_flow(value)}"

    def _item(self, item: Any, path: Path, indent: int) -> Iterator[str]:
        """One item of a list: its first field is beside the dash."""
        if not isinstance(item, dict) or _fits(item, indent):
            yield f"{' ' * indent}- {_flow(item)}"
            return
        lines = [line for name, each in item.items() for line in self._lines_of(name, each, (*path, name), indent + 2)]
        yield f"{' ' * indent}- {lines[0].lstrip()}"
        yield from lines[1:]

    def _commented(self, path: Path, indent: int) -> Iterator[str]:
        for each in self._comments.get(path, []):
            yield from _comment(each, indent)


def _knows(value: Any, reasons: dict[str, str]) -> bool:
    """Whether a section has such a key in it, at any depth."""
    if isinstance(value, dict):
        return not reasons.keys().isdisjoint(value) or any(_knows(each, reasons) for each in value.values())
    return isinstance(value, list) and any(_knows(each, reasons) for each in value)


def literal(text: str) -> str:
    """A text whose braces stand for themselves in a job file."""
    return _PLACEHOLDER.sub(r"{{\1}}", text)


def _comment(text: str, indent: int) -> Iterator[str]:
    """The comment in lines of a readable width, broken between words. No word of another file can end a comment."""
    import textwrap

    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    pad = " " * indent + "# "
    rows = textwrap.wrap(words, _WIDTH - len(pad), break_long_words=False, break_on_hyphens=False)
    yield from (f"{pad}{'' if number == 0 else '  '}{row}" for number, row in enumerate(rows))


def _fits(item: dict[str, Any], indent: int) -> bool:
    is_flat = all(not isinstance(value, dict) and "\n" not in str(value) for value in item.values())
    return is_flat and len(_flow(item)) + indent < _WIDTH


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """The value in a form that YAML reads back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        is_plain = _PLAIN.match(value) and value == value.strip() and scalar(value) == value and "  " not in value
        return value if is_plain else '"' + "".join(map(_escaped, value)) + '"'
    return str(value)


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    code = ord(letter)
    if letter.isprintable():
        return letter
    return {"\n": "\\n", "\t": "\\t"}.get(letter) or (f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def _can_be_block(text: str) -> bool:
    return all(letter.isprintable() or letter in "\n\t" for letter in text) and bool(text.strip())


def _block_head(text: str) -> str:
    first = next(line for line in text.split("\n") if line)
    indent = "2" if first.startswith((" ", "\t")) or text.startswith("\n") else ""
    keep = "-" if not text.endswith("\n") else "+" if text.endswith("\n\n") else ""
    return f"|{indent}{keep}"
