"""One path of a tree, local or remote."""

from __future__ import annotations

import hashlib
import itertools
import posixpath
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

Kind = Literal["file", "folder", "link", "other"]

Progress = Callable[[int, int], None]
"""Called with the bytes of content moved so far and the bytes to move."""

Interrupted = Callable[[], bool]
"""Whether the transfer has to end."""

NAMED_MAX = 20
"""How many paths of a kind are named, because there may be as many as files."""
NAME_CHARACTERS_MAX = 200
"""How many characters of such a path are shown: all of them have to fit into one record."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """`path` is relative to the tree's root, with `/` between its parts. Odd bytes in it are surrogate escapes.

    `mtime` in whole seconds, `size` in bytes (0 unless a file), `target` only of a link. `sha256` is empty until known.
    """

    path: str
    kind: Kind
    mode: int
    size: int = 0
    mtime: int = 0
    target: str = ""
    sha256: str = ""


def shown(path: str) -> str:
    """A path for a message or a journal. Bytes that are no UTF-8 are written out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def bounded(text: str) -> str:
    """As much of a name as a message shows."""
    return text[:NAME_CHARACTERS_MAX]


def named(paths: Iterable[str]) -> str:
    """The first few of many paths, for a message."""
    return ", ".join(bounded(shown(path)) for path in itertools.islice(paths, 5))


def is_safe(path: str) -> bool:
    """Whether a relative path stays below its root: not absolute, no `..`, no empty part, no NUL."""
    return bool(path) and "\0" not in path and all(part not in ("", ".", "..") for part in path.split("/"))


def leaves(link: Entry) -> bool:
    """Whether a link points out of its tree, judged by its text.

    A `..` after a name counts as leaving: if that name is a link itself, the text does not say where it leads.
    """
    parts = [part for part in link.target.split("/") if part not in ("", ".")]
    climbs = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    if not link.target or link.target.startswith("/") or ".." in parts[climbs:]:
        return True
    end = end_of(link)
    return end == ".." or end.startswith("../")


def end_of(link: Entry) -> str:
    """The path within its tree that a relative link names, by its text."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(link.path), link.target))


def digest(entries: Iterable[Entry]) -> str:
    """One sha256 over a whole listing, in path order."""
    whole = hashlib.sha256()
    for entry in sorted(entries, key=lambda each: each.path):
        line = f"{entry.kind} {entry.mode:o} {entry.size} {entry.mtime} {entry.sha256} {entry.path}\0{entry.target}\0"
        whole.update(line.encode("utf-8", "surrogateescape"))
    return whole.hexdigest()
