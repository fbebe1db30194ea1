"""Check the owner of folders and files. rpd writes nothing where others may write, and nothing into foreign files."""

from __future__ import annotations

from pathlib import Path

from rpd.journal.disk import Disk, FileStatus
from rpd.journal.errors import JournalMissing, JournalNotOurs

_OTHERS_MAY_WRITE = 0o002


def make_folder(disk: Disk, folder: Path) -> None:
    """Create `folder` and its missing parents, each for the owner only and each durable. Raises OSError."""
    missing = []
    while disk.stat(folder) is None:
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        try:
            disk.make_folder(path)
        except FileExistsError:
            continue  # another run of this user created it first
        disk.sync_folder(path.parent)


def status_at(disk: Disk, path: Path) -> FileStatus | None:
    """The status of `path`, or None. Raises JournalNotOurs if it may not be read."""
    try:
        return disk.stat(path)
    except OSError as error:
        raise JournalNotOurs(f"{path} cannot be read: {error.strerror}") from error


def check_folder(disk: Disk, folder: Path) -> None:
    """Raise JournalNotOurs unless `folder` is a folder of this user into which others cannot write."""
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
