"""Which entries of a listed tree may be created on this machine, and which links lead elsewhere."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

import msgspec

from rpd.adapters.transfer.entry import Entry, end_of, is_safe, leaves, shown


class Chosen(msgspec.Struct, frozen=True):
    """`kept` is created unchanged, `leading` are links that lead out of the tree, `skipped` are paths of unwanted
    links, `refused` are names that may not be created here."""

    kept: list[Entry]
    leading: list[Entry]
    skipped: list[str]
    refused: list[str]


def choose(entries: Iterable[Entry], root: str, *, links: str, is_part: bool) -> Chosen:
    """Sort a tree's entries. Links to absolute paths within the tree become relative ones. If the entries are only a
    part of the tree at `root`, a link to another part counts as leading out."""
    chosen = Chosen([], [], [], [])
    inside = root.rstrip("/") + "/"
    for entry in entries:
        if entry.kind == "other":
            continue
        if not is_safe(entry.path):
            chosen.refused.append(shown(entry.path))
        elif entry.kind != "link":
            chosen.kept.append(entry)
        elif links == "skip":
            chosen.skipped.append(entry.path)
        else:
            link = _relative(entry, inside)
            (chosen.leading if leaves(link) else chosen.kept).append(link)
    chosen.refused.sort()
    chosen = _within(chosen) if is_part else chosen
    chosen.leading.sort(key=lambda each: each.path)
    return chosen


def _relative(link: Entry, inside: str) -> Entry:
    if not link.target.startswith(inside):
        return link
    return msgspec.structs.replace(link, target=posixpath.relpath(link.target, inside + posixpath.dirname(link.path)))


def _within(chosen: Chosen) -> Chosen:
    paths = {entry.path for entry in chosen.kept}
    lost = [each for each in chosen.kept if each.kind == "link" and end_of(each) not in paths]
    kept = [each for each in chosen.kept if each.kind != "link" or end_of(each) in paths]
    return msgspec.structs.replace(chosen, kept=kept, leading=[*chosen.leading, *lost])
