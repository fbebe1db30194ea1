"""The tree in the pod: what is there, and the hashes of it.

Asks for `sh`, `find`, `xargs`, `stat` and `sha256sum`, of GNU or of busybox.
"""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer.entry import Entry, Kind
from rpd.adapters.transfer.exchange import exchange, quote, said
from rpd.engine.errors import Refused, Unavailable
from rpd.states.faults import Fault

_KINDS: dict[str, Kind] = {"f": "file", "d": "folder", "l": "link"}

_LIST = r"""
export LC_ALL=C
unset POSIXLY_CORRECT
at={at}
if [ -d "$at" ]; then
  cd "$at/" || exit 3
  printf 'folder\0'; name=.
elif [ -e "$at" ]; then
  cd {parent} || exit 3
  printf 'file\0'; name={name}
else
  printf 'missing\0end\0'; exit 0
fi
if [ "$name" = . ]; then follow=; else follow=-L; fi
if find . -prune -printf '' 2>/dev/null; then
  printf 'full\0'
  find $follow "$name" -printf '%y %m %s %T@ %P\0%l\0' || code=$?
else
  printf 'plain\0'
  names=$(mktemp) || exit 3
  find $follow "$name" -print0 >"$names" || code=$?
  cat "$names"; printf '\0'
  xargs -0 stat $follow -c '%f %s %Y' <"$names" || code=$?
  printf '\0'
  rm -f "$names"
  find $follow "$name" -type l -exec sh -c 'for l; do printf "%s\0" "$l"; readlink "$l"; printf "\0"; done' sh {{}} +
fi
printf 'end\0'
exit "${{code:-0}}"
"""

# openssl uses the processor's own instructions for sha256, which coreutils does not: ten times as fast. It does not
# escape names, so those with a line break in them are for sha256sum.
_HASH = """
export LC_ALL=C
cd {root} || exit 3
if {fast} && openssl version >/dev/null 2>&1; then xargs -0 openssl dgst -sha256 -r; else xargs -0 sha256sum --; fi
"""

# GNU marks a line whose name it escaped with a backslash.
_SUM = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](?:\./)?(.*)", re.DOTALL)


class Listing(msgspec.Struct, frozen=True):
    """What is at a remote path. `root` is the folder that the entries' paths are relative to.

    `complaint` is what `find` said when it could not read all of it, else empty.
    """

    kind: Literal["folder", "file", "missing"]
    root: str
    entries: tuple[Entry, ...] = ()
    complaint: str = ""


def list_tree(connection: Connection, path: str) -> Listing:
    """Read what is at `path`: a folder with all it holds, a single file, or nothing.

    Raises Refused (`path_refused`) when the folder cannot be entered, and what the connection raises.
    """
    bare = path.rstrip("/") or "/"
    parent, name = posixpath.split(bare)
    parent = parent or ("/" if bare.startswith("/") else ".")
    out = bytearray()
    script = _LIST.format(at=quote(bare), parent=quote(parent), name=quote_name(name))
    code, stderr = exchange(connection, script, take=out.extend)
    if code == 3:
        raise Refused(f"{path} in the pod: {said(stderr)}", reason=Fault.PATH_REFUSED)
    if not out.endswith(b"end\0"):
        raise Unavailable(f"the listing of {path} was cut short", reason=Fault.LINK_LOST)
    fields = bytes(out).split(b"\0")[:-2]
    complaint = said(stderr) if code else ""
    kind = fields[0]
    if kind == b"missing":
        return Listing("missing", bare)
    if kind not in (b"file", b"folder"):
        raise Unavailable(f"the pod's listing of {path} makes no sense", reason=Fault.UNREADABLE)
    try:
        parsed = _full(fields[2:]) if fields[1] == b"full" else _plain(fields[2:])
    except (ValueError, IndexError) as error:
        raise Unavailable(f"the pod's listing of {path} makes no sense", reason=Fault.UNREADABLE) from error
    if kind == b"file":
        only = next(iter(parsed), None)
        if only is None:
            return Listing("missing", bare)
        return Listing("file", parent, (msgspec.structs.replace(only, path=name),), complaint)
    return Listing("folder", bare, tuple(each for each in parsed if each.path), complaint)


def hash_files(connection: Connection, root: str, paths: Iterable[str], total_bytes: int) -> dict[str, str]:
    """The hex sha256 of files below `root`, by path. What could not be read is not in the answer."""
    names = [name_bytes(path) for path in paths]
    if not names:
        return {}
    out = bytearray()
    # Silent while it reads one big file from a slow volume.
    quiet_seconds = 600.0 + total_bytes / 10e6
    exchange(
        connection,
        _HASH.format(root=quote(root), fast="false" if any(b"\n" in name for name in names) else "true"),
        chunks=(b"".join(names[at : at + 500]) for at in range(0, len(names), 500)),
        take=out.extend,
        quiet_seconds=quiet_seconds,
    )
    return dict(_sums(bytes(out)))


def name_bytes(path: str) -> bytes:
    """A relative path as `xargs -0` takes it, never mistaken for an option."""
    return b"./" + path.encode("utf-8", "surrogateescape") + b"\0"


def quote_name(name: str) -> str:
    """A file name as a word of a script, never mistaken for an option."""
    return quote("./" + name)


def _sums(text: bytes) -> Iterator[tuple[str, str]]:
    for line in text.split(b"\n"):
        match = _SUM.fullmatch(line)
        if match is not None:
            name = match[3]
            if match[1]:
                name = re.sub(rb"\\(.)", lambda m: {b"n": b"\n", b"r": b"\r"}.get(m[1], m[1]), name)
            yield name.decode("utf-8", "surrogateescape"), match[2].decode()


def _full(fields: list[bytes]) -> list[Entry]:
    """GNU find: pairs of "type mode size time path" and a link's target."""
    entries = []
    for head, target in zip(fields[::2], fields[1::2], strict=True):
        kind, mode, size, mtime, path = head.decode("utf-8", "surrogateescape").split(" ", 4)
        entries.append(
            Entry(
                path=path,
                kind=_KINDS.get(kind, "other"),
                mode=int(mode, 8) & 0o7777,
                size=int(size) if kind == "f" else 0,
                mtime=int(mtime.split(".", 1)[0]),
                target=target.decode("utf-8", "surrogateescape"),
            )
        )
    return entries


def _plain(fields: list[bytes]) -> list[Entry]:
    """Any other find: the names, an empty field, a line of numbers for each, then names and targets of the links."""
    border = fields.index(b"")
    names = [_below(each) for each in fields[:border]]
    numbers = fields[border + 1].decode().splitlines()
    if len(names) != len(numbers):
        raise Unavailable("the folder in the pod changed while it was listed", reason=Fault.VERIFY_FAILED)
    links = fields[border + 2 :]
    targets = {
        _below(name): text.decode("utf-8", "surrogateescape").removesuffix("\n")
        for name, text in zip(links[::2], links[1::2], strict=True)
    }
    entries = []
    for path, line in zip(names, numbers, strict=True):
        mode, size, mtime = line.split()
        kind = _KINDS.get({stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l"}.get(stat.S_IFMT(int(mode, 16)), ""))
        entries.append(
            Entry(
                path=path,
                kind=kind or "other",
                mode=stat.S_IMODE(int(mode, 16)),
                size=int(size) if kind == "file" else 0,
                mtime=int(mtime),
                target=targets.get(path, ""),
            )
        )
    return entries


def _below(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").removeprefix(".").removeprefix("/")
