"""The pod's listing of a tree, read piece by piece as it comes. The text is untrusted: every number is bounded here,
and no listing is longer than this machine can hold."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from typing import Literal

import msgspec

from rpd.adapters.transfer.entry import Entry, Kind
from rpd.engine.errors import Refused, Unavailable
from rpd.states.ports.faults import Fault

ENTRIES_MAX = 1_000_000
"""A million entries take about 350 MB here."""
LISTING_BYTES_MAX = 256 * 1024 * 1024
"""The limit for all names: on average 256 bytes for each of the most entries."""
FIELD_BYTES_MAX = 128 * 1024
"""The longest path that a tree of folders can have in practice, with the fields before it."""
PATH_BYTES_MAX = 4096
"""Linux opens no longer path, nor do we."""
DEPTH_MAX = 256

SIZE_MAX = 10**15
"""A larger file (a petabyte, a sparse one) counts as a file of this size, which no disk here takes either."""
_LATEST = 2**33
"""The year 2242. A file system may keep any time, but not every time is valid for this machine's calls and other
programs."""

_KINDS: dict[bytes, Kind] = {b"f": "file", b"d": "folder", b"l": "link"}
_MODES: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
_HEAD = re.compile(rb"(\S) ([0-7]{1,7}) ([0-9]{1,40}) (-?[0-9]{1,40})(?:\.[0-9]*)? (.*)", re.DOTALL)
_NUMBERS = re.compile(rb"([0-9a-fA-F]{1,8}) ([0-9]{1,40}) (-?[0-9]{1,40})")


class Listing(msgspec.Struct, frozen=True):
    """What is at a remote path. `root` is the folder to which the entries' paths are relative.

    `complaint` is what `find` said if it could not read all of it, else empty. `unfit` are paths that are too long or
    too deep for a machine to open, by their beginnings. They are not among the entries.
    """

    kind: Literal["folder", "file", "missing"]
    root: str
    entries: tuple[Entry, ...] = ()
    complaint: str = ""
    unfit: tuple[Entry, ...] = ()


class Reading:
    """Feed it the listing's bytes in pieces of any size. `kind` is what is there. `is_whole` says whether its last word
    came.

    Raises ValueError for text that is no listing, and Refused (`path_refused`) for a listing with too many entries.
    """

    def __init__(self, path: str) -> None:
        self.kind = ""
        self.is_whole = False
        self.entries: list[Entry] = []
        self.unfit: list[Entry] = []
        self._path = path
        self._rest = b""
        self._read: Callable[[bytes], None] = self._begin
        self._head: bytes | None = None
        self._names: list[str] = []
        self._targets: dict[str, str] = {}

    def take(self, data: bytes) -> None:
        """The next bytes."""
        text, is_more = self._rest + data, True
        while is_more:
            text, is_more = self._lines(text) if self._read == self._number else self._fields(text)
        self._rest = text
        if len(text) > FIELD_BYTES_MAX:
            raise ValueError("a name without end")

    def _fields(self, text: bytes) -> tuple[bytes, bool]:
        """Read the fields that NULs end. Returns the rest, and whether there is more of it to read at once."""
        fields = text.split(b"\0")
        for at, field in enumerate(fields[:-1], start=1):
            self._read(field)
            if self._read == self._number:
                return b"\0".join(fields[at:]), True
        return fields[-1], False

    def _lines(self, text: bytes) -> tuple[bytes, bool]:
        """The same for the lines of numbers, which a NUL ends."""
        numbers, ended, after = text.partition(b"\0")
        *lines, last = numbers.split(b"\n")
        for line in lines:
            self._number(line)
        if not ended:
            return last, False
        if last:
            raise ValueError("half a line of numbers")
        self._read = self._link
        return after, True

    def finish(self) -> tuple[Entry, ...]:
        """All entries. Raises Unavailable if the tree changed during the listing."""
        if self._names and len(self._names) != len(self.entries):
            raise Unavailable("the folder in the pod changed while it was listed", reason=Fault.VERIFY_FAILED)
        for at, entry in enumerate(self.entries if self._targets else ()):
            if entry.path in self._targets:
                self.entries[at] = msgspec.structs.replace(entry, target=self._targets[entry.path])
        self.unfit = [entry for entry in self.entries if not _is_fit(entry.path)]
        return tuple(self.entries if not self.unfit else [entry for entry in self.entries if _is_fit(entry.path)])

    def _begin(self, field: bytes) -> None:
        if not self.kind:
            if field not in (b"folder", b"file", b"missing"):
                raise ValueError("no kind")
            self.kind = field.decode()
            if self.kind == "missing":
                self._read = self._end
        elif field in (b"full", b"plain"):
            self._read = self._pair if field == b"full" else self._name
        else:
            raise ValueError("no way of listing")

    def _pair(self, field: bytes) -> None:
        """GNU find: pairs of "type mode size time path" and a link's target."""
        head = self._head_of(field)
        if head is None:
            return
        match = _HEAD.fullmatch(head)
        if match is None:
            raise ValueError("no entry")
        kind = _KINDS.get(match[1], "other")
        size, mtime = min(int(match[3]), SIZE_MAX), _bounded_time(match[4])
        # A listing of several start points has them before each path.
        self._add(_text(match[5]).removeprefix("./"), kind, int(match[2], 8), size, mtime, _text(field))

    def _name(self, field: bytes) -> None:
        """Any other find: the names, an empty field, a line of numbers for each, then names and targets of the
        links."""
        if not field:
            self._read = self._number
            return
        self._names.append(_below(field))
        self._count(len(self._names))

    def _number(self, line: bytes) -> None:
        if len(self.entries) >= len(self._names):
            raise ValueError("numbers of no entry")
        mode, size, mtime = numbers_of(line)
        path = self._names[len(self.entries)]
        self._add(path, _MODES.get(stat.S_IFMT(mode), "other"), mode, size, mtime)

    def _link(self, field: bytes) -> None:
        head = self._head_of(field)
        if head is not None:
            self._targets[_below(head)] = _text(field).removesuffix("\n")
            self._count(len(self._targets))

    def _head_of(self, field: bytes) -> bytes | None:
        """The first field of the pair whose second field this is. None for a first field, which is kept, and for the
        last word."""
        head, self._head = self._head, None
        if head is None and field == b"end":
            self._over()
        elif head is None:
            self._head = field
        return head

    def _end(self, field: bytes) -> None:
        if field != b"end" or self.is_whole:
            raise ValueError("more than a listing")
        self._over()

    def _over(self) -> None:
        self.is_whole, self._read = True, self._end

    def _add(self, path: str, kind: Kind, mode: int, size: int, mtime: int, target: str = "") -> None:
        self.entries.append(
            Entry(
                path=path[: PATH_BYTES_MAX + 1],
                kind=kind,
                mode=mode & 0o7777,
                size=size if kind == "file" else 0,
                mtime=mtime,
                target=target,
            )
        )
        self._count(len(self.entries))

    def _count(self, entries: int) -> None:
        if entries > ENTRIES_MAX:
            raise Refused(
                f"{self._path} in the pod holds more than {ENTRIES_MAX:,} files and folders, too many for one transfer",
                reason=Fault.PATH_REFUSED,
                hint="name the folders below it one by one, or pack them into an archive",
            )


def numbers_of(line: bytes) -> tuple[int, int, int]:
    """Mode, size and time as `stat -c '%f %s %Y'` prints them, within their bounds. Raises ValueError."""
    match = _NUMBERS.fullmatch(line.removesuffix(b"\n"))
    if match is None:
        raise ValueError("no numbers of an entry")
    return int(match[1], 16), min(int(match[2]), SIZE_MAX), _bounded_time(match[3])


def _bounded_time(mtime: bytes) -> int:
    return max(-_LATEST, min(int(mtime), _LATEST))


def _is_fit(path: str) -> bool:
    return len(path) <= PATH_BYTES_MAX and path.count("/") < DEPTH_MAX


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _below(name: bytes) -> str:
    return _text(name).removeprefix(".").removeprefix("/")
