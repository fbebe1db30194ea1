"""Links of a tree in the pod that lead out of it, and which of them rpd can fetch as the files that they lead to.

Caches arrange results in this way: the names in one folder, the content in another. Only the pod follows a link, and
the result is a file under the link's own name: this machine never gets a link to somewhere else. Folders are not
followed, so there are no circles.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence

import msgspec

from rpd.adapters.report.words import size
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer.entry import Entry, shown
from rpd.adapters.transfer.exchange import complaint_of, exchange, quote, seconds_for
from rpd.adapters.transfer.listing import FIELD_BYTES_MAX, LISTING_BYTES_MAX, numbers_of
from rpd.adapters.transfer.remote_tree import name_bytes
from rpd.engine.errors import Refused, Unavailable
from rpd.states.ports.faults import Fault

FOLLOWED_MAX = 100_000
"""The most links of one artifact that are checked: each costs the pod two programs."""
_NO_DISK = ("/dev", "/proc", "/sys")
"""Files there are no results: devices, the state of processes with their environment, and the files of secrets that
live in memory."""

# An empty field ends the list of private places, so each has a mark before it. A place that cannot be resolved (for
# example, because its folder is gone) counts as written.
_LOOK = """
export LC_ALL=C
for each in {private}; do printf p; readlink -f "$each" || printf '%s\\n' "$each"; printf '\\0'; done
printf '\\0'
cd {root} || exit 3
xargs -0 sh -c 'for each; do
  printf "%s\\0" "$each"; stat -L -c "%f %s %Y" "$each" 2>/dev/null; printf "\\0"; readlink -f "$each" 2>/dev/null
  printf "\\0"
done' sh
printf 'end\\0'
"""


class Followed(msgspec.Struct, frozen=True):
    """`files` stand for links, under their names. `left_out` are the others, each with its target and the reason."""

    files: tuple[Entry, ...] = ()
    left_out: tuple[str, ...] = ()


def follow(
    connection: Connection, root: str, links: Sequence[Entry], *, most_bytes: int, private: Iterable[str]
) -> Followed:
    """The files to which these links of the tree at `root` lead, in their order, up to `most_bytes` together. A link to
    one of the `private` files is left out.

    Raises Refused (`path_refused`), Unavailable (`unreadable`, `link_lost`), and the errors of the connection.
    """
    if not links:
        return Followed()
    looking = _Looking()
    asked = links[:FOLLOWED_MAX]
    names = [name_bytes(link.path) for link in asked]
    try:
        code, stderr = exchange(
            connection,
            _LOOK.format(root=quote(root), private=" ".join(map(quote, private))),
            chunks=(b"".join(names[at : at + 500]) for at in range(0, len(names), 500)),
            take=looking.take,
            most_bytes=LISTING_BYTES_MAX,
            most_seconds=seconds_for(0, len(names)),
        )
    except ValueError as error:
        raise Unavailable(f"the pod's answer about links is not valid: {error}", reason=Fault.UNREADABLE) from error
    if code == 3:
        raise Refused(f"{root} in the pod: {complaint_of(stderr)}", reason=Fault.PATH_REFUSED)
    if not looking.is_whole:
        raise Unavailable("the pod's answer about links was cut short", reason=Fault.LINK_LOST)
    return _judged(links, looking, most_bytes)


def _judged(links: Sequence[Entry], looking: _Looking, most_bytes: int) -> Followed:
    files, left_out, room = [], [], most_bytes
    for at, link in enumerate(links):
        found = looking.found.get(link.path, _Found(b"", ""))
        why = found.unfit(looking.private) if at < FOLLOWED_MAX else f"more than {FOLLOWED_MAX:,} links"
        if not why and found.bytes > room:
            why = f"followed links bring {size(most_bytes)} at most, and this one has {size(found.bytes)}"
        if why:
            left_out.append(described_link(link, why))
            continue
        room -= found.bytes
        files.append(found.as_file(link))
    return Followed(tuple(files), tuple(left_out))


def described_link(link: Entry, why: str) -> str:
    """A link that was left out, for a person."""
    return f"{shown(f'{link.path} -> {link.target}')} ({why})"


class _Found(msgspec.Struct, frozen=True):
    """What `stat` says of a link's end, empty if there is none, and the end's own path."""

    numbers: bytes
    end: str

    def unfit(self, private: set[str]) -> str:
        """Why it cannot be fetched, or an empty string."""
        if not self.numbers:
            return "leads to nothing"
        mode = numbers_of(self.numbers)[0]
        if not stat.S_ISREG(mode):
            return "leads to a folder" if stat.S_ISDIR(mode) else "leads to no file"
        if self.end in private or self.end.startswith(tuple(f"{folder}/" for folder in _NO_DISK)) or not self.end:
            return "leads to no result"
        return ""

    @property
    def bytes(self) -> int:
        """Its size."""
        return numbers_of(self.numbers)[1]

    def as_file(self, link: Entry) -> Entry:
        """The file under the link's name."""
        mode, count, mtime = numbers_of(self.numbers)
        return Entry(link.path, "file", mode & 0o7777, count, mtime)


class _Looking:
    """The pod's answer, read piece by piece."""

    def __init__(self) -> None:
        self.private: set[str] = set()
        self.found: dict[str, _Found] = {}
        self.is_whole = False
        self._is_private = True
        self._fields: list[bytes] = []
        self._rest = b""

    def take(self, data: bytes) -> None:
        """The next bytes. Raises ValueError if they are no answer."""
        *fields, self._rest = (self._rest + data).split(b"\0")
        if len(self._rest) > FIELD_BYTES_MAX:
            raise ValueError("a name without end")
        for field in fields:
            self._field(field)

    def _field(self, field: bytes) -> None:
        if self.is_whole:
            raise ValueError("more than an answer")
        if self._is_private and field:
            if not field.startswith(b"p"):
                raise ValueError("no place of a secret")
            self.private.add(_path(field[1:]))
        elif self._is_private:
            self._is_private = False
        elif not self._fields and field == b"end":
            self.is_whole = True
        else:
            self._fields.append(field)
        if len(self._fields) == 3:
            name, numbers, end = self._fields
            self._fields = []
            numbers_of(numbers or b"0 0 0")
            self.found[_path(name).removeprefix("./")] = _Found(numbers.removesuffix(b"\n"), _path(end))


def _path(field: bytes) -> str:
    return field.removesuffix(b"\n").decode("utf-8", "surrogateescape")
