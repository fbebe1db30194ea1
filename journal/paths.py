"""Where journals are below a state home, and how every other name of a run leads to its one journal file."""

from __future__ import annotations

import re
from pathlib import Path

from rpd.journal import tolerant
from rpd.journal.codec import LINE_BYTES_MAX, LineError, decode_line
from rpd.journal.disk import Disk, OsDisk
from rpd.journal.errors import JournalError, JournalMissing, JournalNotOurs
from rpd.journal.folder import status_at
from rpd.journal.reader import unreadable
from rpd.journal.records import Opened, Record

EVENTS_NAME = "events.jsonl"
"""The second name of the journal, in the run folder."""

_SUFFIX = ".jsonl"
_POINTER_HOPS_MAX = 3
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def journal_path(home: Path, workflow: str, run_id: str) -> Path:
    """The canonical journal of a run: `<home>/journals/<workflow>/<run_id>.jsonl`."""
    return home / "journals" / folder_name(workflow) / f"{run_id}{_SUFFIX}"


def journals(home: Path) -> list[Path]:
    """Every journal below a state home, in the order of their names."""
    return sorted((home / "journals").glob(f"*/*{_SUFFIX}"))


def emergency_path(home: Path, run_id: str) -> Path:
    """Where records go if the journal itself cannot be written."""
    return home / f"emergency-{run_id}{_SUFFIX}"


def folder_name(workflow: str) -> str:
    """The name of a workflow as a folder name: letters, digits, `.`, `-` and `_`, never hidden, never long."""
    return _UNSAFE.sub("-", workflow)[:80].lstrip(".") or "unnamed"


def stands_in(path: Path, home: Path) -> bool:
    """Whether this is the place of a journal of this state home, and not a link that leads elsewhere."""
    is_place = path.parent.parent == home / "journals" and path.suffix == _SUFFIX and ".." not in path.parts
    return is_place and not path.is_symlink()


def canonical(path: Path, *, disk: Disk | None = None, home: Path | None = None) -> Path:
    """The one journal file that `path` means: a run folder, its `events.jsonl` (hard link or copy), a pointer (a JSON
    object whose "journal" names it), a symlink to any of these, or the journal itself.

    Record 0 says where the journal belongs. With `home`, rpd does not even look at a place outside of this state home.
    If that place holds nothing, or another run, the result is `path` itself. Raises JournalMissing or JournalNotOurs.
    """
    disk = disk or OsDisk()
    for _ in range(_POINTER_HOPS_MAX + 1):
        path = _file_of(disk, disk.real(path))
        head = _head(disk, path)
        target = _pointer(head)
        if target is None:
            return _home_of(disk, path, head, home)
        path = path.parent / target
    raise JournalNotOurs(f"{path} points to a pointer that points to a pointer")


def leads_to_journal(path: Path, *, disk: Disk | None = None) -> bool:
    """Whether `path` is a journal, a pointer to one, or a folder with an `events.jsonl`. An unreadable file does not
    count. A damaged journal counts if its name or its folder shows what it is.
    """
    disk = disk or OsDisk()
    try:
        file = _file_of(disk, disk.real(path))
        if file.suffix == _SUFFIX:
            return True
        head = _head(disk, file)
    except (JournalError, OSError):
        return False
    first = _first_record(head)
    return _pointer(head) is not None or (first is not None and isinstance(first.body, Opened))


def original(path: Path, *, disk: Disk | None = None) -> Path | None:
    """The original of the journal at `path`: it is where record 0 says, and is another file. None if `path` is the
    original, or if that place is empty. Raises JournalMissing or JournalNotOurs.
    """
    disk = disk or OsDisk()
    place, here = canonical(path, disk=disk), disk.real(path)
    there, mine = disk.stat(place), disk.stat(here)
    is_same = place == here or (there is not None and mine is not None and there.identity == mine.identity)
    return None if is_same else place


def _file_of(disk: Disk, path: Path) -> Path:
    found = status_at(disk, path)
    if found is not None and found.is_folder:
        path = disk.real(path / EVENTS_NAME)
        found = status_at(disk, path)
    if found is None:
        raise JournalMissing(f"there is no journal at {path}", hint="rpd inspect   shows the newest run")
    if not found.is_file:
        raise JournalNotOurs(f"{path} is not a regular file")
    return path


def _head(disk: Disk, path: Path) -> bytes:
    try:
        return disk.read(path, LINE_BYTES_MAX + 1)
    except OSError as error:
        raise unreadable(path, error) from error


def _pointer(head: bytes) -> str | None:
    """The target of the file, if it is a pointer."""
    content = tolerant.decode(head)  # not JSON: a journal of more than one record, or a damaged one
    if not isinstance(content, dict) or "z" in content:
        return None
    target = content.get("journal")
    return target if isinstance(target, str) and target and "\0" not in target else None


def _home_of(disk: Disk, path: Path, head: bytes, within: Path | None) -> Path:
    """The place that record 0 names for this journal, if the same journal is there."""
    first = _first_record(head)
    if first is None or not isinstance(first.body, Opened) or "\0" in first.body.journal_path:
        return path
    home = Path(first.body.journal_path)
    if home == path or not home.is_absolute() or (within is not None and not stands_in(home, within)):
        return path
    found = status_at(disk, home)
    if found is None or not found.is_file:
        return path
    try:
        there = _first_record(disk.read(home, LINE_BYTES_MAX + 1))
    except OSError:
        return path
    return disk.real(home) if there is not None and there.z == first.z else path


def _first_record(head: bytes) -> Record | None:
    try:
        return decode_line(head[: head.index(b"\n")])
    except (LineError, ValueError):
        return None
