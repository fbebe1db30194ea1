"""End a journal that is damaged: its good part and the records that close it replace the file.

The old file is kept beside it. No run goes on from the rest: acknowledged records are missing, and it is not known what
was done after the good part.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from rpd.journal import codec
from rpd.journal.appendfile import free_name
from rpd.journal.disk import Disk
from rpd.journal.errors import JournalDamaged, JournalUnwritable
from rpd.journal.records import Body, Closed, Record, Repaired, Stamp

SALVAGED = "salvaged"
"""The `cause` of the Repaired record about the file that was set aside."""


def end(disk: Disk, path: Path, good: Sequence[Record], bodies: Sequence[Body], closed: Closed, at: Stamp) -> Path:
    """Replace the journal with the `good` records, `bodies` and `closed`. Returns where the old file is kept. Either
    all of the new journal is there and durable, or the old one stays. The caller holds the lock.

    Raises JournalDamaged if there is no good record, and JournalUnwritable.
    """
    if not good:
        raise JournalDamaged(f"{path} has no good record", line=1, offset=0)
    try:
        old = disk.read(path)
        kept = _set_aside(disk, path, old)
        head = b"".join(line + b"\n" for line in old.split(b"\n", len(good))[: len(good)])
        repaired = Repaired(SALVAGED, len(old) - len(head), sha256(old).hexdigest(), kept.name)
        is_over = any(isinstance(record.body, Closed) for record in good)
        _replace(disk, path, head + _lines(good[-1], [repaired, *bodies, *([] if is_over else [closed])], at))
    except OSError as error:
        raise JournalUnwritable(f"{path} cannot be written: {error.strerror or error}") from error
    return kept


def set_aside(disk: Disk, path: Path) -> Path:
    """A journal without a good record is only kept under another name. Raises JournalUnwritable."""
    try:
        kept = _set_aside(disk, path, disk.read(path))
        disk.unlink(path)
        disk.sync_folder(path.parent)
    except OSError as error:
        raise JournalUnwritable(f"{path} cannot be moved: {error.strerror or error}") from error
    return kept


def _lines(last: Record, bodies: Sequence[Body], at: Stamp) -> bytes:
    chain, lines = codec.Chain(last.seq + 1, last.z, last.run), b""
    for body in bodies:
        record, line = codec.encode(body, seq=chain.seq, prev=chain.prev, run=last.run, epoch=last.epoch + 1, at=at)
        chain.follow(record)
        lines += line
    return lines


def _set_aside(disk: Disk, path: Path, content: bytes) -> Path:
    """Make a copy: the run folder may have the file under a second name, and no process may write to that name any
    more.
    """
    kept = free_name(disk, path, "damaged")
    _write(disk, kept, content)
    return kept


def _replace(disk: Disk, path: Path, content: bytes) -> None:
    draft = free_name(disk, path, "draft")
    _write(disk, draft, content)
    disk.rename(draft, path)
    disk.sync_folder(path.parent)


def _write(disk: Disk, path: Path, content: bytes) -> None:
    handle = disk.create(path)
    try:
        rest = content
        while rest:
            rest = rest[disk.write(handle, rest) :]
        disk.sync(handle)
    except OSError:
        disk.unlink(path)
        raise
    finally:
        disk.close(handle)
    disk.sync_folder(path.parent)
