"""A torn tail: bytes after the last newline that were never acknowledged. They are set aside, then cut off."""

from __future__ import annotations

import errno
from hashlib import sha256
from pathlib import Path

from rpd.journal.appendfile import AppendFile, free_name
from rpd.journal.disk import Disk
from rpd.journal.records import Repaired

TORN_TAIL = "torn_tail"
"""The `cause` of a Repaired record about a tail that was set aside."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def cut_torn_tail(disk: Disk, file: AppendFile, good_bytes: int, next_seq: int) -> Repaired:
    """Keep the tail as `<journal>.torn-<seq>-<n>`, then cut the file to its good part. Raises OSError."""
    tail = bytes(file.content[good_bytes:])
    try:
        kept_as = _quarantine(disk, file.path, tail, next_seq)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        kept_as = ""  # a full disk must not stop a release, and these bytes were never acknowledged
    file.cut(good_bytes)
    return Repaired(TORN_TAIL, len(tail), sha256(tail).hexdigest(), kept_as)


def _quarantine(disk: Disk, journal: Path, tail: bytes, seq: int) -> str:
    path = free_name(disk, journal, f"torn-{seq}")
    handle = disk.create(path)
    try:
        if disk.write(handle, tail) < len(tail):
            disk.unlink(path)
            raise OSError(errno.ENOSPC, "disk full", str(path))
        disk.sync(handle)
    finally:
        disk.close(handle)
    disk.sync_folder(path.parent)
    return path.name
