"""How a journal is created: whole and durable under its name, or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

from rpd.journal.disk import Disk
from rpd.journal.errors import JournalNotOurs

_NO_LINKS_HERE = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def write_first(disk: Disk, path: Path, line: bytes) -> int:
    """Write record 0 into a new file at `path` and return its handle. The caller holds the journal's lock.

    Raises JournalNotOurs if the name is taken, else OSError. In both cases there is no file.
    """
    if disk.stat(path) is not None:
        raise JournalNotOurs(f"{path} is there already", hint="rpd inspect")
    temporary = path.with_name(f"{path.name}.new")
    disk.unlink(temporary)
    handle = disk.create(temporary)
    try:
        if disk.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, "disk full", str(temporary))
        disk.sync(handle)
        _give_name(disk, temporary, path)
        try:
            disk.sync_folder(path.parent)
            disk.sync_folder(path.parent.parent)
        except OSError:
            disk.unlink(path)
            raise
    except (OSError, JournalNotOurs):
        disk.close(handle)
        disk.unlink(temporary)
        raise
    return handle


def _give_name(disk: Disk, temporary: Path, path: Path) -> None:
    """Rename without replacing anything."""
    try:
        disk.link(temporary, path)
    except FileExistsError:
        raise JournalNotOurs(f"{path} is there already", hint="rpd inspect") from None
    except OSError as error:
        if error.errno not in _NO_LINKS_HERE:
            raise
        disk.rename(temporary, path)  # no hard links here; the lock keeps our other processes away
        return
    disk.unlink(temporary)
