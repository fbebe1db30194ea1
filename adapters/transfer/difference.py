"""What a push has to do: the local tree compared with the one in the pod."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.transfer.entry import Entry, Interrupted
from rpd.adapters.transfer.listing import Listing
from rpd.adapters.transfer.local_tree import sha256_of
from rpd.adapters.transfer.patterns import Patterns
from rpd.adapters.transfer.remote_tree import hash_files

_OWN_FOLDER = ".rpd"
"""The runs' own folder at a volume's top. No push deletes it."""


class Difference(msgspec.Struct, frozen=True):
    """`send` in the order of the tree; `remove` files and links, `prune` folders (deepest first), as relative paths.

    `in_the_way` are folders in the pod where the source has a file, without those in `remove` and `prune`.
    """

    send: list[Entry]
    remove: list[str]
    prune: list[str]
    in_the_way: list[str]


def compare(
    local: list[Entry],
    remote: Listing,
    patterns: Patterns,
    *,
    delete: bool,
    ignored: frozenset[str] = frozenset(),
    is_same: Callable[[list[Entry]], set[str]],
    suspects: set[str],
) -> Difference:
    """Compare the trees.

    `is_same` gets the files that differ only in their time, and returns those with the same content. `suspects` are
    sent whatever their date says. Paths that are `ignored` stay in the pod.
    """
    there = {entry.path: entry for entry in remote.entries}
    here = {entry.path: entry for entry in local}
    undated = [
        entry
        for entry in local
        if entry.kind == "file" and entry.path not in suspects and _differs_in_time_only(entry, there.get(entry.path))
    ]
    same = is_same(undated)
    send = [
        entry
        for entry in local
        if entry.path in suspects or not (entry.path in same or _is_equal(entry, there.get(entry.path)))
    ]
    clashing = [path for path, entry in here.items() if path in there and there[path].kind != entry.kind]
    extras = []
    if delete:
        extras = [
            path for path in there if path not in here and not (path in ignored or _is_protected(there[path], patterns))
        ]
    return Difference(
        send=send,
        remove=[path for path in (*clashing, *extras) if there[path].kind != "folder"],
        prune=sorted((path for path in (*clashing, *extras) if there[path].kind == "folder"), reverse=True),
        in_the_way=[] if delete else [path for path in clashing if there[path].kind == "folder"],
    )


def same_content(
    connection: Connection, root: str, locate: Callable[[Entry], Path], interrupted: Interrupted, entries: list[Entry]
) -> set[str]:
    """Paths whose local content equals that in the pod, by sha256 on both sides."""
    if not entries:
        return set()
    found = hash_files(connection, root, (entry.path for entry in entries), sum(entry.size for entry in entries))
    same = set()
    for entry in entries:
        try:
            if entry.path in found and sha256_of(locate(entry), interrupted) == found[entry.path]:
                same.add(entry.path)
        except FileNotFoundError:
            continue
    return same


def _is_equal(entry: Entry, other: Entry | None) -> bool:
    if other is None or other.kind != entry.kind:
        return False
    if entry.kind == "link":
        return entry.target == other.target
    if entry.mode != other.mode:
        return False
    return entry.kind == "folder" or (entry.size, entry.mtime) == (other.size, other.mtime)


def _differs_in_time_only(entry: Entry, other: Entry | None) -> bool:
    if other is None or other.kind != "file" or entry.mtime == other.mtime:
        return False
    return (entry.size, entry.mode) == (other.size, other.mode)


def _is_protected(entry: Entry, patterns: Patterns) -> bool:
    own = entry.path == _OWN_FOLDER or entry.path.startswith(_OWN_FOLDER + "/")
    return own or patterns.cover(entry.path, entry.kind == "folder")
