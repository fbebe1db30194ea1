"""The journal of a run, held open by its one writer.

A record is durable when `append` returns. `records` are those that a reader would find now, in order. `append` returns
what a reader gets back, so that live facts and replayed facts are the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from rpd.journal import codec
from rpd.journal.appendfile import AppendFile
from rpd.journal.birth import write_first
from rpd.journal.clock import to_rfc3339
from rpd.journal.disk import Disk, OsDisk
from rpd.journal.errors import (
    JournalDamaged,
    JournalError,
    JournalLost,
    JournalTooNew,
    JournalUnwritable,
    RecordRefused,
    RecordTooLarge,
)
from rpd.journal.folder import check_file, check_folder, make_folder
from rpd.journal.lock import Lock, Owner
from rpd.journal.paths import canonical
from rpd.journal.reader import Reading, holds, parse
from rpd.journal.records import SCHEMA_VERSION, Body, Note, Opened, Record, Repaired, Resumed, Stamp
from rpd.journal.redact import Redactor, Secret
from rpd.journal.repair import cut_torn_tail

BALLAST_BYTES = 256 * 1024
SOFT_LIMIT_BYTES = 64 * 1024 * 1024
"""A journal that grows beyond this warns once. Its reader never stops there."""
CLOCK_STEP_SECONDS = 5.0
"""If the wall clock and the monotonic clock drift apart by more than this between two records, the
journal records it.
"""


class Journal:
    """One open journal. `path` is canonical. `head` is the number and the checksum of its last record.

    `warnings` are sentences about the place where it is. `on_replaced` is called with the path after the file became a
    new inode (its owner then renews its other links). `moves` counts how often that happened.
    """

    def __init__(
        self,
        file: AppendFile,
        lock: Lock,
        records: list[Record],
        *,
        now: Callable[[], Stamp],
        redactor: Redactor | None,
    ) -> None:
        """For `create` and `open` only."""
        self.path = file.path
        self.run_id = records[0].run
        self.epoch = records[-1].epoch
        self.records = records
        self.warnings: tuple[str, ...] = ()
        self.on_replaced: Callable[[Path], None] | None = None
        self._file = file
        self._lock = lock
        self._now = now
        self._redactor = redactor
        self._is_open = True
        self._known_bytes = len(file.content)

    @classmethod
    def create(
        cls,
        path: Path,
        opened: Opened,
        *,
        run_id: str,
        now: Callable[[], Stamp],
        disk: Disk | None = None,
        redactor: Redactor | None = None,
        ballast_bytes: int = BALLAST_BYTES,
        owner: Owner | None = None,
    ) -> Journal:
        """Create a new journal with `opened` as record 0 (its `journal_path` becomes the real path) and hold it.

        Either the journal exists, whole and durable, or nothing does. Raises JournalUnwritable, JournalNotOurs (bad
        folder, name taken), JournalLocked or RecordRefused.
        """
        disk = disk or OsDisk()
        at = now()
        try:
            make_folder(disk, path.parent)
        except OSError as error:
            raise _unwritable(path, error) from error
        path = disk.real(path.parent) / path.name
        with _holding(disk, path, _signed(owner or Owner.here("run"), at, 1)) as lock:
            opened = msgspec.structs.replace(opened, journal_path=str(path))
            record, line = _encode(opened, codec.Chain(), run_id, 1, at, redactor)
            handle = write_first(disk, path, line)
            try:
                file = AppendFile(disk, path, handle, line, lock)
                file.keep_ballast(ballast_bytes)
            except OSError:
                disk.close(handle)
                disk.unlink(path)
                raise
        journal = cls(file, lock, [record], now=now, redactor=redactor)
        journal._note_place(disk)
        return journal

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        now: Callable[[], Stamp],
        command: str,
        tool_version: str,
        disk: Disk | None = None,
        redactor: Redactor | None = None,
        ballast_bytes: int = BALLAST_BYTES,
        owner: Owner | None = None,
        anchor: tuple[int, str] | None = None,
        home: Path | None = None,
    ) -> Journal:
        """Take a journal over: lock it, verify it, repair a torn tail, raise the epoch, write `Resumed`.

        `path` is any name of the run within `home` (see `paths.canonical`). `anchor` is a (seq, z) known from elsewhere
        that must still be in it. Raises JournalMissing, JournalNotOurs, JournalLocked, JournalDamaged, JournalTooNew,
        JournalLost or JournalUnwritable. Then nothing was changed, except for a repair already done.
        """
        disk = disk or OsDisk()
        path = canonical(path, disk=disk, home=home)
        check_file(disk, path)
        with _holding(disk, path, _signed(owner or Owner.here(command), now(), 0)) as lock:
            handle = disk.open_append(path)
            try:
                content = disk.read(path)
                reading = parse(content)
                _check(reading, path, anchor)
                file = AppendFile(disk, path, handle, content, lock)
            except (OSError, JournalError):
                disk.close(handle)
                raise
            journal = cls(file, lock, reading.records, now=now, redactor=redactor)
            try:
                journal._resume(disk, reading, tool_version, ballast_bytes)
            except (OSError, JournalError):
                file.close()
                raise
        journal._note_place(disk)
        return journal

    def _resume(self, disk: Disk, reading: Reading, tool_version: str, ballast_bytes: int) -> None:
        # The earlier process may have died between write and sync, or its sync may have failed.
        moved = self._file.renew()
        torn = cut_torn_tail(disk, self._file, reading.good_bytes, len(reading.records)) if reading.torn_bytes else None
        self._file.make_room(ballast_bytes)
        self.epoch += 1
        owner = msgspec.structs.replace(self._lock.owner, epoch=self.epoch)
        self._lock.sign(owner)
        if torn is not None:
            self.append(torn)
        if moved is not None:
            self._tell_moved(moved, self._now())
        self.append(Resumed(owner.command, owner.host, owner.pid, owner.user, tool_version))

    @property
    def head(self) -> tuple[int, str]:
        """Number and checksum of the last record."""
        return self.records[-1].seq, self.records[-1].z

    @property
    def moves(self) -> int:
        """How often the file became a new inode since it was opened here."""
        return self._file.moves

    @property
    def is_large(self) -> bool:
        """Whether the journal is beyond its soft limit."""
        return len(self._file.content) > SOFT_LIMIT_BYTES

    def append(self, body: Body, *, sync: bool = True) -> Record:
        """Append one record. With `sync`, it and all records before it are durable when this returns.

        Raises JournalUnwritable (nothing was added; a later call may succeed), RecordRefused (likewise), JournalLocked
        (another process took the journal over after its files had been removed).
        """
        if not self._is_open:
            raise JournalUnwritable(f"{self.path} is closed")
        at = self._now()
        before = len(self._file.content)
        self._note_clock_step(at)
        record = self._write(body, at, sync=sync)
        if before <= SOFT_LIMIT_BYTES < len(self._file.content):
            self._write_too(Note("journal_large", f"the journal is larger than {SOFT_LIMIT_BYTES} bytes"), at)
        return record

    @property
    def redactor(self) -> Redactor:
        """The filter that keeps secrets out of the records. Use it also for texts that are shown but never recorded."""
        if self._redactor is None:
            self._redactor = Redactor()
        return self._redactor

    def hide(self, *secrets: Secret) -> None:
        """From here on no record contains these secrets either."""
        self.redactor.add(*secrets)

    def close(self) -> None:
        """Make everything durable and release the lock. A second call is harmless. Raises JournalUnwritable."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            if (cause := self._file.sync()) is not None:
                self._tell_moved(cause, self._now())
        finally:
            self._file.close()
            self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, body: Body, at: Stamp, *, sync: bool) -> Record:
        if len(self._file.content) != self._known_bytes:
            # An exception of a signal came right after a line was safe: the line is in the file, so it is a record.
            self.records = parse(bytes(self._file.content)).records
            self._known_bytes = len(self._file.content)
        last = self.records[-1]
        chain = codec.Chain(last.seq + 1, last.z, self.run_id)
        record, line = _encode(body, chain, self.run_id, self.epoch, at, self._redactor)
        cause = self._file.append(line, sync=sync)
        self.records.append(record)
        self._known_bytes = len(self._file.content)
        if cause is not None:
            self._tell_moved(cause, at)
        return record

    def _tell_moved(self, cause: str, at: Stamp) -> None:
        if self.on_replaced is not None:
            self.on_replaced(self.path)
        if not isinstance(self.records[-1].body, Repaired):  # a disk that fails at every sync must not cause a loop
            self._write_too(Repaired(cause), at)

    def _write_too(self, body: Body, at: Stamp) -> None:
        """Write what follows from a record that is already safe. If this fails, the next record meets
        the error itself.
        """
        with contextlib.suppress(JournalError):
            self._write(body, at, sync=True)

    def _note_clock_step(self, at: Stamp) -> None:
        before = self.records[-1].at
        if at.boot == before.boot:
            step = (at.wall - before.wall) - (at.up - before.up)
            if abs(step) > CLOCK_STEP_SECONDS:
                self._write(Note("clock_step", data={"seconds": round(step, 3)}), at, sync=False)

    def _note_place(self, disk: Disk) -> None:
        weakness = disk.weakness(self.path.parent)
        self.warnings = (weakness,) if weakness else ()


@contextlib.contextmanager
def _holding(disk: Disk, path: Path, owner: Owner) -> Iterator[Lock]:
    """The journal's lock, kept if all goes well and released if not. An OSError is raised as JournalUnwritable."""
    check_folder(disk, path.parent)
    try:
        lock = Lock.take(disk, path, owner)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield lock
    except OSError as error:
        lock.release()
        raise _unwritable(path, error) from error
    except BaseException:
        lock.release()
        raise


def _encode(
    body: Body, chain: codec.Chain, run_id: str, epoch: int, at: Stamp, redactor: Redactor | None
) -> tuple[Record, bytes]:
    seq, prev = chain.seq, chain.prev
    if redactor is None:
        return codec.encode(body, seq=seq, prev=prev, run=run_id, epoch=epoch, at=at)
    # If nothing is escaped or cut short, the line contains the same text as the data. Most lines contain no secret, and
    # one search shows that. Half a secret would not be found: nothing is cut before it is masked.
    with contextlib.suppress(RecordTooLarge):
        record, line = codec.encode(body, seq=seq, prev=prev, run=run_id, epoch=epoch, at=at, may_cut=False)
        text = line.decode("ascii")
        if "\\" not in text and "\x7f" not in text and not redactor.is_in(text):
            return record, line
    record, line = codec.encode(body, seq=seq, prev=prev, run=run_id, epoch=epoch, at=at, mask=redactor.mask_data)
    if redactor.is_in(line.decode("ascii")):
        raise RecordRefused(f"a {record.raw_kind} record holds a secret")
    return record, line


def _check(reading: Reading, path: Path, anchor: tuple[int, str] | None) -> None:
    if reading.damage is not None:
        raise reading.damage
    if reading.too_new:
        needed = reading.opened.min_reader if reading.opened else SCHEMA_VERSION + 1
        raise JournalTooNew(
            f"{path} was written by a newer rpd (format {max(needed, SCHEMA_VERSION)}); inspect and gc work",
            hint="upgrade rpd",
        )
    if reading.opened is None:
        raise JournalDamaged(f"{path} does not begin with a record that opens it", line=1, offset=0)
    if anchor is not None and not holds(reading.records, *anchor):
        last = reading.records[-1].seq
        raise JournalLost(
            f"{path} ends at record {last}, but record {anchor[0]} had been written: records are lost",
            hint=f"rpd salvage {path.stem}   releases its pods and ends the run (rpd gc stops its pods)",
        )


def _signed(owner: Owner, at: Stamp, epoch: int) -> Owner:
    return msgspec.structs.replace(owner, boot=at.boot, since=to_rfc3339(at.wall), epoch=epoch)


def _unwritable(path: Path, error: OSError) -> JournalUnwritable:
    return JournalUnwritable(f"{path} cannot be written: {error.strerror or error}")
