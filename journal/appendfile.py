"""Make the journal's bytes durable: one write for each line, and what to do if the disk refuses it.

When `append` returns, the line is durable. If it raises JournalUnwritable, the file holds what it held before. After a
storage error the inode cannot be trusted (a second sync would report success). So all content goes into a new file
under the same name, from the copy in memory.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

from rpd.journal.disk import Disk
from rpd.journal.errors import JournalError, JournalUnwritable
from rpd.journal.folder import make_folder
from rpd.journal.lock import Lock

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BALLAST_LINE = b"ballast: frees room for the records that release what is rented\n"


class AppendFile:
    """An open journal file. `content` is what the file is known to hold. `moves` counts how often it became a new
    inode.
    """

    def __init__(self, disk: Disk, path: Path, handle: int, content: bytes, lock: Lock) -> None:
        self.path = path
        self.content = bytearray(content)
        self.moves = 0
        self._disk = disk
        self._handle = handle
        self._identity = disk.status(handle).identity
        self._lock = lock
        self._lost: str | None = None
        self._synced = len(content)
        self._ballast = path.with_name(f"{path.name}.ballast")
        self._has_ballast = False

    def append(self, line: bytes, *, sync: bool) -> str | None:
        """Append one whole line. Returns None, or why the journal had to move to a new file (the line is in it).

        Raises JournalUnwritable if the line could not be kept. A later call may succeed.
        """
        cause = self._lost
        if cause is None:
            try:
                self._write(line)
                if sync:
                    self._disk.sync(self._handle)
                    self._synced = len(self.content) + len(line)
                    cause = self._displaced(self._synced)
            except OSError as error:
                cause = _name(error)
        if cause is not None:
            self._move(cause, line)
        self.content += line
        return cause

    def sync(self) -> str | None:
        """Make everything appended so far durable; see `append`."""
        return self.append(b"", sync=True)

    def renew(self) -> str | None:
        """Put all content into a new file under the same name.

        After a failed sync the kernel may mark pages as clean that never reached the disk, and no later sync of that
        inode writes them. A process that opens the file cannot know whether this happened to an earlier process. If
        there is no room for a copy, the old file is synced; see `append`.
        """
        try:
            handle = self._write_anew("renewed", b"")
        except OSError as error:
            if error.errno in _FULL:
                return self.sync()
            cause = _name(error)
            self._move(cause, b"")
            return cause
        self._adopt(handle, len(self.content))
        return None

    def cut(self, size: int) -> None:
        """Drop everything after `size` bytes, durably. Raises OSError."""
        self._disk.truncate(self._handle, size)
        self._disk.sync(self._handle)
        self._synced = size
        del self.content[size:]

    def keep_ballast(self, size: int) -> None:
        """Reserve `size` bytes of disk for bad times. Raises OSError if there is no room."""
        self._disk.unlink(self._ballast)
        if size <= 0:
            return
        handle = self._disk.create(self._ballast)
        try:
            text = _BALLAST_LINE * (size // len(_BALLAST_LINE) + 1)
            if self._disk.write(handle, text[:size]) < size:
                raise OSError(errno.ENOSPC, "no room for the ballast", str(self._ballast))
            self._has_ballast = True
        finally:
            self._disk.close(handle)
            if not self._has_ballast:
                self._disk.unlink(self._ballast)

    def make_room(self, ballast_bytes: int) -> None:
        """Keep the ballast if there is room for it. A full disk must not stop a release."""
        with contextlib.suppress(OSError):
            self.keep_ballast(ballast_bytes)

    def close(self) -> None:
        """Close the file and remove its ballast."""
        self.drop_ballast()
        self._disk.close(self._handle)

    def drop_ballast(self) -> bool:
        """Free the ballast. Returns False if there is none."""
        had, self._has_ballast = self._has_ballast, False
        if had:
            with contextlib.suppress(OSError):
                self._disk.unlink(self._ballast)
        return had

    def _write(self, line: bytes) -> None:
        """One write of the whole line, at most two tries. Raises OSError if the file cannot be trusted any more."""
        if not line:
            return
        for _ in range(2):
            try:
                if self._disk.write(self._handle, line) == len(line):
                    return
                # When a disk becomes full, the first sign is a short write; only the next call reports the error.
                problem = OSError(errno.ENOSPC, "disk full")
            except OSError as error:
                problem = error
            self._cut_back()
            if problem.errno not in _FULL:
                raise problem
            self.drop_ballast()
        raise JournalUnwritable(f"disk full: {self.path} cannot grow ({_name(problem)})", hint="free some disk space")

    def _cut_back(self) -> None:
        if self._disk.status(self._handle).size != len(self.content):
            self._disk.truncate(self._handle, len(self.content))
            self._disk.sync(self._handle)

    def _displaced(self, size: int) -> str | None:
        """Why the name does not lead to our unchanged file any more; None if it does."""
        there = self._disk.stat(self.path)
        if there is None:
            return "path_vanished"
        if there.identity != self._identity:
            return "path_replaced"
        return None if there.size == size else "size_changed"

    def _move(self, cause: str, line: bytes) -> None:
        """Put content and line into a new file under the same name, durably, or raise JournalUnwritable."""
        while True:
            try:
                handle = self._write_anew(cause, line)
                break
            except OSError as error:
                if error.errno in _FULL and self.drop_ballast():
                    continue
                self._lost = cause
                self._disown_unsynced()
                raise JournalUnwritable(f"{self.path} cannot be written: {cause}, then {_name(error)}") from error
            except JournalError:  # somebody else took the name while it was free
                self._lost = cause
                raise
        self._adopt(handle, len(self.content) + len(line))
        self.moves += 1

    def _disown_unsynced(self) -> None:
        """The next process must not read what a failed sync left behind, because its own sync would report success. rpd
        has never reported these bytes as safe.
        """
        with contextlib.suppress(OSError):
            self._disk.truncate(self._handle, self._synced)
            self._disk.sync(self._handle)

    def _adopt(self, handle: int, synced: int) -> None:
        self._disk.close(self._handle)
        self._handle = handle
        self._synced = synced
        self._identity = self._disk.status(handle).identity
        self._lost = None

    def _write_anew(self, cause: str, line: bytes) -> int:
        temporary = self.path.with_name(f"{self.path.name}.new")
        make_folder(self._disk, self.path.parent)
        if self._lock.is_misplaced():
            self._lock.take_again()
        self._disk.unlink(temporary)
        handle = self._disk.create(temporary)
        try:
            data = bytes(self.content) + line
            if self._disk.write(handle, data) < len(data):
                raise OSError(errno.ENOSPC, "disk full", str(temporary))
            self._disk.sync(handle)
            if cause in ("path_replaced", "size_changed"):
                set_aside(self._disk, self.path)
            self._disk.rename(temporary, self.path)
            self._disk.sync_folder(self.path.parent)
        except OSError:
            self._disk.close(handle)
            self._disk.unlink(temporary)
            raise
        return handle


def set_aside(disk: Disk, path: Path) -> None:
    """Keep a foreign file at `path` under the name `<path>.foreign-<n>`."""
    if disk.stat(path) is not None:
        disk.rename(path, free_name(disk, path, "foreign"))


def free_name(disk: Disk, path: Path, suffix: str) -> Path:
    """The first free name of `<path>.<suffix>-1`, `-2`, ..."""
    number = 1
    while disk.stat(path.with_name(f"{path.name}.{suffix}-{number}")) is not None:
        number += 1
    return path.with_name(f"{path.name}.{suffix}-{number}")


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "error").lower()
