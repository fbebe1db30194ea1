"""Read a journal without a lock and without ever writing. A half-written last line is "in progress", not damage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from rpd.journal import tolerant
from rpd.journal.codec import Chain, LineError, decode_line
from rpd.journal.disk import OsDisk
from rpd.journal.errors import JournalDamaged, JournalError, JournalMissing, JournalNotOurs
from rpd.journal.records import SCHEMA_VERSION, Opened, Record

NAME_PATTERN = r"rpd-[A-Za-z0-9][A-Za-z0-9._-]{0,100}-a[0-9]{1,6}"
"""The name of anything that this program rented. In a damaged journal such names are found anywhere."""

_ZERO_RUN = b"\0" * 16
_CLOUD = re.compile(rb'"cloud":(\{[^{}]*\})')


class Reading(msgspec.Struct, frozen=True):
    """What a journal says: the records before the first doubt, and what is wrong after them.

    `good_bytes` is where the last good line ends. `torn_bytes` counts the unfinished bytes after it, which were never
    acknowledged. `too_new`: only a newer program may act on it; looking and releasing stay possible. `verified`: every
    complete line fits the chain.
    """

    records: list[Record]
    good_bytes: int
    torn_bytes: int
    damage: JournalDamaged | None
    too_new: bool
    verified: bool

    @property
    def opened(self) -> Opened | None:
        """The body of record 0, if record 0 could be read."""
        body = self.records[0].body if self.records else None
        return body if isinstance(body, Opened) else None

    @property
    def head(self) -> tuple[int, str] | None:
        """Number and checksum of the last good record."""
        return (self.records[-1].seq, self.records[-1].z) if self.records else None


def read(path: Path) -> Reading:
    """Read and verify a journal file. Raises JournalMissing, or JournalNotOurs if it may not be read."""
    return parse(read_bytes(path))


def parse(data: bytes, chain: Chain | None = None) -> Reading:
    """The same for bytes. With `chain`: for bytes that follow a part already verified."""
    chain = chain or Chain()
    first_line = chain.seq + 1
    records: list[Record] = []
    damage: JournalDamaged | None = None
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        try:
            record = chain.take(data[start:end])
        except LineError as error:
            if not _is_torn_by_pages(data, start, end):
                damage = _damaged(first_line + len(records), start, str(error))
            break
        records.append(record)
        start = end + 1
    if damage is None and start < len(data) and _is_overwritten(data[start:]):
        damage = _damaged(first_line + len(records), start, "is complete but its newline is gone")
    return Reading(
        records,
        start,
        len(data) - start if damage is None else 0,
        damage,
        any(is_too_new(record) for record in records),
        damage is None,
    )


def is_too_new(record: Record) -> bool:
    """Whether only a newer program may act on a journal that holds this record."""
    if record.v > SCHEMA_VERSION or (record.body is None and record.crit):
        return True
    return isinstance(record.body, Opened) and record.body.min_reader > SCHEMA_VERSION


def holds(records: Sequence[Record], seq: int, z: str) -> bool:
    """Whether these records still hold the record that is anchored elsewhere as (`seq`, `z`)."""
    return 0 <= seq < len(records) and records[seq].z == z


def salvage(path: Path, pattern: str = NAME_PATTERN) -> set[str]:
    """Every name that matches `pattern` (ASCII) anywhere in the file, however damaged it is, and in the parts that were
    set aside from it.
    """
    finder = re.compile(pattern.encode("ascii"))
    files = [
        path,
        *sorted(path.parent.glob(f"{path.name}.torn-*")),
        *sorted(path.parent.glob(f"{path.name}.foreign-*")),
    ]
    found: set[str] = set()
    for file in files:
        found.update(name.decode("ascii") for name in finder.findall(read_bytes(file)))
    return found


def salvage_cloud(data: bytes) -> dict[str, str]:
    """The cloud that record 0 names, however damaged the rest of the journal is; empty if it cannot be read."""
    found = _CLOUD.search(data)
    return tolerant.decode(found[1], dict[str, str]) or {} if found is not None else {}


def read_bytes(path: Path) -> bytes:
    """All bytes of a regular file. Raises JournalMissing, JournalNotOurs or JournalError, never OSError."""
    try:
        return OsDisk().read(path)
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> JournalError:
    """The error for a file at `path` that could not be read."""
    if isinstance(error, FileNotFoundError):
        return JournalMissing(f"there is no journal at {path}", hint="rpd inspect   shows the newest run")
    return JournalNotOurs(f"{path} cannot be read: {error.strerror}")


def _damaged(line: int, offset: int, why: str) -> JournalDamaged:
    text = f"journal damaged at line {line} (byte {offset}): it {why}"
    return JournalDamaged(text, line=line, offset=offset, hint="rpd inspect; rpd salvage gives back what it owes")


def _is_torn_by_pages(data: bytes, start: int, end: int) -> bool:
    # The pages of one unsynced write may reach the disk out of order. Then a last line may end well but contain a hole
    # of zeros. A record never holds a zero byte, and one flipped bit never makes sixteen.
    return end == len(data) - 1 and _ZERO_RUN in data[start:end]


def _is_overwritten(tail: bytes) -> bool:
    # A torn write ends inside a line or right after it. If a whole line has another byte where its newline was, it had
    # been acknowledged: dropping it would lose a record.
    if tail[-1:] == b"\0":
        return False
    try:
        decode_line(tail[:-1])
    except LineError:
        return False
    return True
