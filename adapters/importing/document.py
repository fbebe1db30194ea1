"""YAML of another tool as plain data that is taken key by key, so that rpd can report the keys that were not taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rpd.adapters.local.leaks import SHORTEST_SECRET, is_secret_name, leak_in, without_logins
from rpd.adapters.spec.yaml_source import MAX_DEPTH, scalar
from rpd.engine.errors import UserError

if TYPE_CHECKING:
    import yaml

Path = tuple[str | int, ...]

MOST_NODES = 20_000
"""Aliases make a small file a large one."""
SHOWN_CHARACTERS = 100
_TEMPLATE = re.compile(r"^[^#'\"\n]*(?:[:\[,-] *|^)(\{[{%].*?[}%]\})", re.MULTILINE)
"""A place that a template engine fills in before YAML is read."""
_ASSIGNED = re.compile(r"(?<!\w)([A-Za-z_]\w*)[\"']?[ \t]*[=:]|(?<![\w-])--([\w-]+)[ \t]")
"""The name of a value within a text: `-e NAME=value`, `{"NAME": "value"}`, `--name value`."""


class Document:
    """One document. `take` gives a value and marks it, with all below it, as translated. `left` is the rest."""

    def __init__(self, data: dict[str, Any], lines: dict[Path, int], raw: dict[Path, str]) -> None:
        self.data = data
        self._lines = lines
        self._raw = raw
        self._taken: set[Path] = set()

    def has(self, *path: str | int) -> bool:
        """Whether a path exists, even with an empty value (`null`)."""
        return path in self._lines

    def look(self, *path: str | int) -> Any:
        """The value at a path. None if there is none."""
        value: Any = self.data
        for part in path:
            is_in = part in value if isinstance(value, dict) else isinstance(part, int) and isinstance(value, list)
            if not is_in or (isinstance(value, list) and isinstance(part, int) and part >= len(value)):
                return None
            value = value[part]
        return value

    def take(self, *path: str | int) -> Any:
        """The same, and it counts as translated."""
        self._taken.add(path)
        return self.look(*path)

    def text(self, *path: str | int) -> str | None:
        """A single value as it is written: `3.10` stays `3.10`. None for sections, for a missing value, and for
        `null`."""
        value = self.look(*path)
        return None if value is None or isinstance(value, dict | list) else self._raw.get(path, str(value))

    def take_text(self, *path: str | int) -> str | None:
        """The same. It counts as translated if it is a single value."""
        found = self.text(*path)
        if found is not None:
            self._taken.add(path)
        return found

    def line(self, path: Path) -> int:
        """The line of the path, from 1."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def left(self) -> Iterator[Path]:
        """The places that were not taken, the largest sections first."""
        yield from self._left(self.data, ())

    def shown(self, path: Path) -> str:
        """A place and its value in one line, without what may be a secret."""
        value = self.look(*path)
        name = ".".join(str(part) for part in path)
        if value is None:
            return name
        is_private = path[0] == "secrets"
        return f"{name}: {_short('(not copied)' if is_private else _hidden(path[-1], value))}"

    def _left(self, value: Any, path: Path) -> Iterator[Path]:
        if path in self._taken:
            return
        below = [taken for taken in self._taken if taken[: len(path)] == path]
        if path and not below:
            yield path
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from self._left(item, (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._left(item, (*path, index))


def _hidden(name: str | int, value: Any) -> Any:
    """The value, unless its name says that it is a secret."""
    is_text = not isinstance(value, dict | list)
    is_hidden = is_text and is_secret_name(str(name)) and len(str(value)) >= SHORTEST_SECRET
    return "(not copied)" if is_hidden else value


def _short(value: Any) -> str:
    text = without_logins(" ".join(_flat(value).split()))
    if leak_in(text, {}):
        return "(not copied)"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        items = (key if item is None else f"{key}: {_flat(_hidden(key, item))}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if isinstance(value, str):
        named = ((each[1] or each[2].replace("-", "_"), each.end()) for each in _ASSIGNED.finditer(value))
        ends = (end for name, end in named if is_secret_name(name))
        end = next((end for end in ends if len(value) - end >= SHORTEST_SECRET), None)
        return value if end is None else f"{value[:end]}(not copied)"
    return "true" if value is True else "false" if value is False else str(value)


def documents(text: str, file: str) -> list[Document]:
    """All documents of a file that hold a mapping. Raises UserError for text that is no YAML, or is tangled."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=loader) if isinstance(node, yaml.MappingNode)]
        return [_Reading(file).document(node) for node in nodes]
    except (yaml.YAMLError, RecursionError) as error:
        raise _template(text, file) or UserError(f"{file} is no YAML: {' '.join(str(error).split())}") from error
    except _NoPlainKey as error:
        raise _template(text, file) or error from None


class _NoPlainKey(UserError):
    """A key that is a mapping or a list, as YAML reads `{{name}}`."""


def _template(text: str, file: str) -> UserError | None:
    """The error for a file that has to be filled in before it is YAML."""
    match = _TEMPLATE.search(text)
    if match is None:
        return None
    line = text.count("\n", 0, match.start(1)) + 1
    return UserError(f"{file}:{line}: {match[1]} is filled in by a template engine first; import what it makes of it")


class _Reading:
    """One document being read."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[Path, int] = {}
        self._raw: dict[Path, str] = {}
        self._count = 0

    def document(self, node: yaml.MappingNode) -> Document:
        data = self._value(node, ())
        return Document(data, self._lines, self._raw)

    def _value(self, node: yaml.Node, path: Path) -> Any:
        import yaml

        self._count += 1
        if len(path) > MAX_DEPTH or self._count > MOST_NODES:
            raise UserError(f"{self._file} is too deep or too large to be read")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        self._require_text(node)
        self._raw[path] = node.value
        return node.value if node.style else scalar(node.value)

    def _require_text(self, node: yaml.ScalarNode) -> None:
        if "\0" in node.value or any("\ud800" <= letter <= "\udfff" for letter in node.value):
            where = f"{self._file}:{node.start_mark.line + 1}"
            raise UserError(f"{where}: holds a character that no file or command can hold")

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self._lines[path] = node.start_mark.line + 1
        return self._value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        import yaml

        found: dict[str, Any] = {}
        pairs = sorted(node.value, key=lambda pair: pair[0].value != "<<")  # its own keys win over merged ones
        for key, value in pairs:
            if not isinstance(key, yaml.ScalarNode):
                raise _NoPlainKey(f"{self._file}:{key.start_mark.line + 1}: a key must be plain text")
            if key.value == "<<" and not key.style:
                for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    found.update(self._value(each, path) if isinstance(each, yaml.MappingNode) else {})
                continue
            self._require_text(key)
            self._lines[(*path, key.value)] = key.start_mark.line + 1
            found[key.value] = self._value(value, (*path, key.value))
        return found
