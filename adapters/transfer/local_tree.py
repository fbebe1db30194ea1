"""The tree on this machine that a push sends."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rpd.adapters.local.git_listing import GitListing
from rpd.adapters.transfer.entry import Entry, Interrupted, Kind, bounded, leaves, named, shown
from rpd.adapters.transfer.patterns import Patterns
from rpd.engine import errors
from rpd.states.ports.faults import Fault

_CHUNK = 1024 * 1024


def scan(root: Path, patterns: Patterns, interrupted: Interrupted, listing: GitListing | None = None) -> list[Entry]:
    """All folders, files and links below a folder, or the one file that `root` is. Folders come before their content.
    With a listing of git, only the paths in it.

    Sockets, pipes and devices are of the kind `other`. Raises Refused (`path_refused`) if there is nothing at `root`,
    if a link points out of the tree, or if a folder cannot be read.
    """
    with local_faults(root):
        info = root.stat()
    if stat.S_ISREG(info.st_mode):
        return [_entry(root.name, info)]
    if not stat.S_ISDIR(info.st_mode):
        raise errors.Refused(f"{root} is neither a folder nor a file", reason=Fault.PATH_REFUSED)
    with local_faults(root):
        found = _without_idle_folders(_walk(os.fspath(root), "", patterns, interrupted, listing), patterns)
    if outside := [shown(f"{each.path} -> {each.target}") for each in found if each.kind == "link" and leaves(each)]:
        raise errors.Refused(
            f"{len(outside)} links in {root} point out of it: {named(outside)}",
            reason=Fault.PATH_REFUSED,
            hint="exclude them, or replace them with what they point to",
            detail={"paths": [*outside]},
        )
    return found


def sha256_of(path: Path, interrupted: Interrupted) -> str:
    """The hex sha256 of a local file. Raises OSError."""
    whole = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            whole.update(buffer[:count])
            check(interrupted)
    return whole.hexdigest()


def check(interrupted: Interrupted) -> None:
    """Raise Interrupted if a request asks for it."""
    if interrupted():
        raise errors.Interrupted("the transfer was interrupted", reason=Fault.INTERRUPTED)


@contextmanager
def local_faults(path: Path) -> Iterator[None]:
    """Translate the file system's errors: Refused with `disk_full` or `path_refused`."""
    try:
        yield
    except OSError as error:
        where = bounded(shown(os.fsdecode(error.filename or path)))
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise errors.Refused(f"no space left on this machine for {where}", reason=Fault.DISK_FULL) from error
        raise errors.Refused(f"{where}: {error.strerror or error}", reason=Fault.PATH_REFUSED) from error


def _walk(
    folder: str, prefix: str, patterns: Patterns, interrupted: Interrupted, listing: GitListing | None
) -> Iterator[Entry]:
    check(interrupted)
    with os.scandir(folder) as items:
        ordered = sorted(items, key=lambda item: item.name)
    for item in ordered:
        path = prefix + item.name
        is_folder = item.is_dir(follow_symlinks=False)
        if patterns.match(path, is_folder) or (listing is not None and not listing.holds(path, is_folder)):
            continue
        try:
            entry = _entry(path, item.stat(follow_symlinks=False), item.path)
        except FileNotFoundError:
            continue
        yield entry
        if is_folder:
            yield from _walk(item.path, path + "/", patterns, interrupted, listing)


def _without_idle_folders(entries: Iterator[Entry], patterns: Patterns) -> list[Entry]:
    """Leave out folders that were only searched for matches of the includes, and hold none."""
    found = list(entries)
    paths = (each.path for each in found if each.kind not in ("folder", "other"))
    holding = {path[:at] for path in paths for at in _slashes(path)}
    return [each for each in found if each.kind != "folder" or each.path in holding or patterns.want(each.path, True)]


def _slashes(path: str) -> Iterator[int]:
    return (at for at, letter in enumerate(path) if letter == "/")


def _entry(path: str, info: os.stat_result, link: str = "") -> Entry:
    kind: Kind = "other"
    if stat.S_ISREG(info.st_mode):
        kind = "file"
    elif stat.S_ISDIR(info.st_mode):
        kind = "folder"
    elif stat.S_ISLNK(info.st_mode):
        kind = "link"
    return Entry(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(info.st_mode),
        size=info.st_size if kind == "file" else 0,
        mtime=int(info.st_mtime_ns // 1_000_000_000),
        target=os.readlink(link) if kind == "link" else "",  # noqa: PTH115 - a Path would normalise the text
    )
