"""YAML read as plain data with a place for every value. Everything surprising about YAML is refused.

Only mappings, lists, text, whole numbers, decimal numbers, `true`, `false` and `null` exist. Dates, times such as
22:22, octal and hexadecimal numbers, and yes/no/on/off remain text. Anchors, aliases, tags, duplicate keys and a second
document are errors, and so are files beyond the limits below.
"""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import msgspec

from rpd.adapters.local.files import read_regular
from rpd.adapters.spec.error import Path, Problem, SpecError, path_text
from rpd.engine.errors import UserError

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.[0-9]*([eE][-+]?[0-9]+)?|\.[0-9]+([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)\Z")
_NAMED: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}


class YamlSource(msgspec.Struct, frozen=True):
    """A parsed file. `places` maps a path to (line, column) of its key, or of the item in a list. `raw` holds the text
    of unquoted scalars as written. `sha256` is that of the file's bytes."""

    file: str
    data: dict[str, Any]
    places: dict[Path, tuple[int, int]]
    raw: dict[Path, str]
    sha256: str

    def problem(self, path: Path, message: str) -> Problem:
        """A problem at the place of `path`, or of its nearest ancestor in the file."""
        known = path
        while known and known not in self.places:
            known = known[:-1]
        line, column = self.places.get(known, (1, 1))
        return Problem(line, column, path_text(path), message)


def read_yaml(path: FilePath) -> YamlSource:
    """Read and parse one file. Raises UserError if it cannot be read and SpecError if it cannot be used."""
    shown = str(path)
    try:
        content = read_regular(path, MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(
            f"there is no job file {shown}",
            reason="no_spec",
            hint="rpd init FILE   writes one to start from",
        ) from None
    except OSError as error:
        raise UserError(f"cannot read {shown}: {error.strerror}", reason="no_spec") from error
    return parse_yaml(content, shown)


def parse_yaml(content: bytes, file: str) -> YamlSource:
    """Parse the bytes of one file. `file` is its name in messages. Raises SpecError."""
    import yaml

    text = _decode(content, file)
    builder = _Builder(file)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        if error.context_mark and mark and error.context_mark.line != mark.line:
            what += f" (it begins on line {error.context_mark.line + 1})"
        builder.fail((mark.line + 1, mark.column + 1) if mark else (1, 1), f"broken YAML: {what}")
    except yaml.YAMLError as error:
        builder.fail(_place_of(text, getattr(error, "position", 0)), f"broken YAML: {error}".splitlines()[0])
    return YamlSource(file, builder.root(), builder.places, builder.raw, hashlib.sha256(content).hexdigest())


def scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar."""
    if text in _NAMED:
        return _NAMED[text]
    if _WHOLE.match(text):
        return int(text)
    if _DECIMAL.match(text) and math.isfinite(number := float(text)):
        return number
    return text


def _decode(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        message = f"larger than {MAX_BYTES // 1024} KiB; keep long scripts and data in files and stage them"
        raise SpecError(file, [Problem(1, 1, path_text(()), message)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise SpecError(file, [Problem(line, column, path_text(()), "not UTF-8 text")]) from error


def _place_of(text: str, position: int) -> tuple[int, int]:
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


class _Frame:
    """A mapping or list that is being filled."""

    __slots__ = ("container", "key", "path")

    def __init__(self, container: dict[str, Any] | list[Any], path: Path) -> None:
        self.container = container
        self.path = path
        self.key: str | None = None


class _Builder:
    """Turns parser events into plain data, iteratively, so that a deep file meets a limit and never a crash."""

    def __init__(self, file: str) -> None:
        self.places: dict[Path, tuple[int, int]] = {}
        self.raw: dict[Path, str] = {}
        self._file = file
        self._problems: list[Problem] = []
        self._frames: list[_Frame] = []
        self._root: Any = None
        self._documents = 0

    def root(self) -> dict[str, Any]:
        """The finished document. Raises SpecError with all problems found."""
        if not self._problems and not isinstance(self._root, dict):
            what = "the file is empty" if self._root is None else f"found {_kind(self._root)}"
            self._complain((1, 1), (), f"a job file is a mapping of `field: value` lines; {what}")
        if self._problems:
            raise SpecError(self._file, self._problems)
        root: dict[str, Any] = self._root
        return root

    def fail(self, place: tuple[int, int], message: str) -> None:
        """Give up: nothing after this place can be understood."""
        self._complain(place, self._frames[-1].path if self._frames else (), message)
        raise SpecError(self._file, self._problems) from None

    def take(self, event: yaml.Event) -> None:
        """Fold one parser event in."""
        import yaml

        mark = event.start_mark
        place = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.fail(place, "a second document starts here; one file is one job")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._frames.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, place)

    def _node(self, event: yaml.NodeEvent, place: tuple[int, int]) -> None:
        import yaml

        if isinstance(event, yaml.AliasEvent):
            self._complain(place, self._next_path(), f"the alias *{event.anchor} is refused; write the value out")
            self._put(None, place, is_key_text=None)
            return
        if event.anchor is not None:
            self._complain(place, self._next_path(), f"the anchor &{event.anchor} is refused; write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._complain(place, self._next_path(), f"the tag {tag[:80]} is refused; values are plain data")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, place)
            return
        if len(self._frames) >= MAX_DEPTH:
            self.fail(place, f"nested more than {MAX_DEPTH} levels deep")
        container: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._put(container, place, is_key_text=None)
        self._frames.append(_Frame(container, path))

    def _scalar(self, event: yaml.ScalarEvent, place: tuple[int, int]) -> None:
        text = event.value
        is_plain = bool(event.implicit[0])
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            self._complain(place, self._next_path(), "holds a character that no file or command can hold")
            text, is_plain = "", False
        path = self._put(scalar(text) if is_plain else text, place, is_key_text=text)
        if is_plain and path:
            self.raw.setdefault(path, text)

    def _put(self, value: Any, place: tuple[int, int], *, is_key_text: str | None) -> Path:
        """Store a value, or take it as the next key. Returns the path of the value."""
        if not self._frames:
            self._root = value
            return ()
        frame = self._frames[-1]
        if isinstance(frame.container, list):
            path = (*frame.path, len(frame.container))
            frame.container.append(value)
            self.places[path] = place
            return path
        if frame.key is not None:
            path = (*frame.path, frame.key)
            frame.container[frame.key] = value
            frame.key = None
            return path
        if is_key_text is None:
            self.fail(place, "a key must be plain text")
        path = (*frame.path, str(is_key_text))
        if path in self.places:
            self._complain(place, path, f"is written twice; first on line {self.places[path][0]}")
        self.places.setdefault(path, place)
        frame.key = str(is_key_text)
        return ()

    def _next_path(self) -> Path:
        if not self._frames:
            return ()
        frame = self._frames[-1]
        if isinstance(frame.container, list):
            return (*frame.path, len(frame.container))
        return frame.path if frame.key is None else (*frame.path, frame.key)

    def _complain(self, place: tuple[int, int], path: Path, message: str) -> None:
        self._problems.append(Problem(*place, path_text(path), message))


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"
