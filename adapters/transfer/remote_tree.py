"""The tree in the pod: its entries and their hashes.

Needs `sh`, `find`, `xargs`, `stat` and `sha256sum`, of GNU or of busybox.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections.abc import Iterable

import msgspec

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer import apart, listing
from rpd.adapters.transfer.exchange import OUTPUT_BYTES_MAX, complaint_of, exchange, quote, seconds_for
from rpd.adapters.transfer.globs import as_word
from rpd.adapters.transfer.listing import FIELD_BYTES_MAX, Listing, Reading
from rpd.engine.errors import EffectError, Refused, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import fixed_folder

HASH_BYTES_PER_SECOND = 1e6
"""The slowest volume for which rpd waits."""
_QUIET_SECONDS_MAX = 24 * 3600.0
_SUM_BYTES = 80
"""The bytes of a line beside the name, which may have every character escaped."""

_LIST = r"""
export LC_ALL=C
unset POSIXLY_CORRECT
{begin}
export follow target='for l; do printf "%s\0" "$l"; readlink "$l"; printf "\0"; done'
if find . -prune -printf '' 2>/dev/null; then
  printf 'full\0'
  from_all 'find $follow "$@" -printf "%y %m %s %T@ {path}\0%l\0"' || code=$?
else
  printf 'plain\0'
  names=$(mktemp) || exit 3
  from_all 'find $follow "$@" -print0' >"$names" || code=$?
  cat "$names"; printf '\0'
  xargs -0 stat $follow -c '%f %s %Y' <"$names" || code=$?
  printf '\0'
  rm -f "$names"
  from_all 'find $follow "$@" -type l -exec sh -c "$target" sh {{}} +'
fi
printf 'end\0'
exit "${{code:-0}}"
"""

# `from_all` runs a command with the start points as its arguments.
_WHOLE = r"""
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
from_all() {{ sh -c "$1" sh "$name"; }}
"""

# A pattern without a match stays as it is, and then names no file.
_MATCHING = r"""
at={at} follow= any=
matches() {{ for each in ./{word}; do if [ -e "$each" ] || [ -L "$each" ]; then printf '%s\0' "$each"; fi; done; }}
from_all() {{ matches | xargs -0 sh -c "$1" sh; }}
if [ -d "$at" ]; then
  cd "$at/" || exit 3
  for each in ./{word}; do if [ -e "$each" ] || [ -L "$each" ]; then any=1; break; fi; done
fi
[ -n "$any" ] || {{ printf 'missing\0end\0'; exit 0; }}
printf 'folder\0'
"""

# openssl uses the processor's own instructions for sha256, which coreutils does not: ten times as fast. It does not
# escape names, so sha256sum takes the names with a line break.
_SUMS = (
    "if {fast} && openssl version >/dev/null 2>&1; then xargs -0 openssl dgst -sha256 -r; "
    "else xargs -0 sha256sum --; fi"
)

# GNU marks a line whose name it escaped with a backslash.
_SUM = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](?:\./)?(.*)", re.DOTALL)


def list_tree(connection: Connection, path: str, *, is_pattern: bool = False) -> Listing:
    """Read what is at `path`: a folder with its content, a single file, or nothing. A pattern is read as the folder
    before its first pattern character, with only the matches in it.

    Raises Refused (`path_refused`) if the folder cannot be entered, Unavailable (`unreadable`) for a listing that makes
    no sense, and the errors of the connection.
    """
    bare = path.rstrip("/") or "/"
    parent, name = posixpath.split(bare)
    parent = parent or ("/" if bare.startswith("/") else ".")
    reading = Reading(path)
    if is_pattern:
        root = fixed_folder(bare)
        begin = _MATCHING.format(at=quote(root), word=as_word(bare.removeprefix(root).lstrip("/")))
        bare = root
    else:
        begin = _WHOLE.format(at=quote(bare), parent=quote(parent), name=quote_name(name))
    script = _LIST.format(begin=begin, path="%p" if is_pattern else "%P")
    try:
        code, stderr = exchange(connection, script, take=reading.take, most_bytes=listing.LISTING_BYTES_MAX)
    except ValueError as error:
        raise Unavailable(f"the pod's listing of {path} makes no sense: {error}", reason=Fault.UNREADABLE) from error
    if code == 3:
        raise Refused(f"{path} in the pod: {complaint_of(stderr)}", reason=Fault.PATH_REFUSED)
    if not reading.is_whole:
        raise Unavailable(f"the listing of {path} was cut short", reason=Fault.LINK_LOST)
    complaint = complaint_of(stderr) if code else ""
    entries = reading.finish()
    if reading.kind == "file" and entries:
        return Listing("file", parent, (msgspec.structs.replace(entries[0], path=name),), complaint)
    if reading.kind != "folder":
        return Listing("missing", bare)
    found = tuple(each for each in entries if each.path)
    if len({each.path for each in found}) < len(found):
        raise Unavailable(f"the pod's listing of {path} names a path twice", reason=Fault.UNREADABLE)
    return Listing("folder", bare, found, complaint, tuple(reading.unfit))


def hash_files(
    connection: Connection,
    root: str,
    paths: Iterable[str],
    total_bytes: int,
    *,
    found: dict[str, str] | None = None,
    token: str = "",
) -> dict[str, str]:
    """The hex sha256 of files below `root`, by path. Files that could not be read are not in the answer. `found`
    becomes the answer, and holds the hashes so far if the link is lost. With a token the pod then continues the work,
    and has the answer ready for a call with the same token."""
    found = {} if found is None else found
    paths = list(paths)
    if token and paths:
        _hash(connection, root, paths, total_bytes, found, token)
    # On a full disk only a part of the work apart is kept.
    if missing := [path for path in paths if not token or path not in found]:
        _hash(connection, root, missing, total_bytes, found)
    if token and paths:
        # The next call to the pod will report any other problem.
        with contextlib.suppress(EffectError, Unavailable):
            exchange(connection, apart.forgetting(token))
    return found


def _hash(
    connection: Connection, root: str, paths: list[str], total_bytes: int, found: dict[str, str], token: str = ""
) -> None:
    names = [name_bytes(path) for path in paths]
    sums = _SUMS.format(fast="false" if any(b"\n" in name for name in names) else "true")
    script = apart.script(root, sums, token, sum(map(len, names))) if token else f"cd {quote(root)} || exit 3\n{sums}"
    exchange(
        connection,
        f"export LC_ALL=C\n{script}\n",
        chunks=(b"".join(names[at : at + 500]) for at in range(0, len(names), 500)),
        take=_Sums(names, found).take,
        quiet_seconds=quiet_seconds(total_bytes),
        most_bytes=OUTPUT_BYTES_MAX + sum(_SUM_BYTES + 2 * len(name) for name in names),
        most_seconds=seconds_for(total_bytes, len(names), HASH_BYTES_PER_SECOND),
    )


def quiet_seconds(size: int) -> float:
    """How long a command may be silent while it reads one file of this size from a slow volume."""
    return min(600.0 + size / 10e6, _QUIET_SECONDS_MAX)


def name_bytes(path: str) -> bytes:
    """A relative path as `xargs -0` takes it, never mistaken for an option."""
    return b"./" + path.encode("utf-8", "surrogateescape") + b"\0"


def quote_name(name: str) -> str:
    """A file name as a word of a script, never mistaken for an option."""
    return quote("./" + name)


class _Sums:
    """Lines of hashes as they come. `found` are the hashes of the requested files, by path."""

    def __init__(self, names: list[bytes], found: dict[str, str]) -> None:
        self.found = found
        self._wanted = {name[2:-1] for name in names}
        self._rest = b""

    def take(self, data: bytes) -> None:
        """The next bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-FIELD_BYTES_MAX:]
        for line in lines:
            match = _SUM.fullmatch(line)
            if match is None:
                continue
            name = match[3]
            if match[1]:
                name = re.sub(rb"\\(.)", lambda m: {b"n": b"\n", b"r": b"\r"}.get(m[1], m[1]), name)
            if name in self._wanted:
                self.found[name.decode("utf-8", "surrogateescape")] = match[2].decode()
