"""Whose folder and whose file: nothing is written where others may write, or into what is not ours."""

from __future__ import annotations

from pathlib import Path

from rpd.journal.disk import Disk, FileStatus
from rpd.journal.errors import JournalMissing, JournalNotOurs

_OTHERS_MAY_WRITE = 0o002


def make_folder(disk: Disk, folder: Path) -> None:
    """Make `folder` and what is missing above it, each for the owner only and each durable. Raises OSError."""
    missing = []
    while disk.stat(folder) is None:
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        try:
            disk.make_folder(path)
        except FileExistsError:
            continue  # another run of this user was faster
        disk.sync_folder(path.parent)


def status_at(disk: Disk, path: Path) -> FileStatus | None:
    """What stands at `path`, or None. Raises JournalNotOurs when that may not be known."""
    try:
        return disk.stat(path)
    except OSError as error:
        raise JournalNotOurs(f"{path} cannot be read: {error.strerror}") from error


def check_folder(disk: Disk, folder: Path) -> None:
    """Raise JournalNotOurs unless `folder` is a folder of this user that others cannot write into."""
    found = status_at(disk, disk.real(folder))
    if found is None or not found.is_folder:
        raise JournalNotOurs(f"{folder} is not a folder")
    if found.uid != disk.uid():
        raise JournalNotOurs(f"{folder} belongs to another user")
    if found.mode & _OTHERS_MAY_WRITE:
        raise JournalNotOurs(f"{folder} can be written by everybody", hint=f"chmod o-w {folder}")


def check_file(disk: Disk, path: Path) -> None:
    """Raise JournalMissing or JournalNotOurs unless `path` is a regular file of this user."""
    found = status_at(disk, path)
    if found is None:
        raise JournalMissing(f"there is no journal at {path}", hint="rpd inspect   shows the newest run")
    if not found.is_file:
        raise JournalNotOurs(f"{path} is not a regular file")
    if found.uid != disk.uid():
        raise JournalNotOurs(f"{path} belongs to another user")
    if found.mode & _OTHERS_MAY_WRITE:
        raise JournalNotOurs(f"{path} can be written by everybody", hint=f"chmod 600 {path}")
