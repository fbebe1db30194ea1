"""One writer for each journal: a kernel lock on the file `<journal>.lock` next to it. This file is never removed.

Only the kernel's lock counts. It ends with its process, however that process ends, and child programs do not inherit
it. The text in the file is for the message only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

import msgspec

from rpd.journal import tolerant
from rpd.journal.disk import Disk
from rpd.journal.errors import JournalLocked, JournalNotOurs, JournalUnwritable


class Owner(msgspec.Struct, frozen=True):
    """The holder of a lock, in words for people. `since` is UTC (RFC 3339). `boot` is the boot that
    `pid` belongs to.
    """

    command: str
    pid: int
    host: str
    user: str
    boot: str = ""
    since: str = ""
    epoch: int = 0

    @classmethod
    def here(cls, command: str) -> Owner:
        """This process."""
        return cls(command, os.getpid(), os.uname().nodename, _user_name())


class Lock:
    """The held lock of one journal. `take` makes it, `release` ends it."""

    def __init__(self, disk: Disk, path: Path, handle: int, owner: Owner) -> None:
        self.path = path
        self.owner = owner
        self._disk = disk
        self._handle: int | None = handle

    @classmethod
    def take(cls, disk: Disk, journal: Path, owner: Owner) -> Lock:
        """Lock `journal`, or raise JournalLocked with the name of its owner.

        JournalNotOurs: the lock file is a trap, or its file system cannot lock. JournalUnwritable: it cannot be
        created.
        """
        path = lock_path(journal)
        lock = cls(disk, path, _take(disk, path), owner)
        lock.sign(owner)
        return lock

    def sign(self, owner: Owner) -> None:
        """Write this process into the file. If the disk is full, only that text is missing."""
        self.owner = owner
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._disk.truncate(self._handle, 0)
                self._disk.write(self._handle, msgspec.json.encode(owner) + b"\n")

    def is_misplaced(self) -> bool:
        """Whether the lock file was removed or replaced while we hold it, so that others could lock a new one."""
        if self._handle is None:
            return True
        there = self._disk.stat(self.path)
        return there is None or there.identity != self._disk.status(self._handle).identity

    def take_again(self) -> None:
        """Lock the file that is at the path now. Raises JournalLocked if another process has locked it first."""
        handle = _take(self._disk, self.path)
        self.release()
        self._handle = handle
        self.sign(self.owner)

    def release(self) -> None:
        """Unlock. A second call is harmless."""
        if self._handle is not None:
            self._disk.close(self._handle)
            self._handle = None


def lock_path(journal: Path) -> Path:
    """The lock file of `journal`."""
    return journal.with_name(f"{journal.name}.lock")


def holder(journal: Path) -> Owner | None:
    """The present holder of the lock of `journal`, or None if it is free. Never blocks, writes nothing."""
    try:
        handle = os.open(lock_path(journal), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared, so that two readers do not see each other. A process that wants the lock retries for a moment.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _parse(os.read(handle, 4096)) or Owner("rpd", 0, "", "")
    except OSError:
        return None
    finally:
        os.close(handle)
    return None


def _take(disk: Disk, path: Path) -> int:
    try:
        handle = disk.try_lock(path)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise JournalNotOurs(f"{path} is not a regular file") from None
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise JournalNotOurs(f"{path.parent} is on a file system that cannot lock files") from None
        raise JournalUnwritable(f"{path} cannot be locked: {error.strerror}") from error
    if handle is None:
        raise _locked(disk, path)
    try:
        if disk.status(handle).uid != disk.uid():
            raise JournalNotOurs(f"{path} belongs to another user")
    except (OSError, JournalNotOurs):
        disk.close(handle)
        raise
    return handle


def _locked(disk: Disk, path: Path) -> JournalLocked:
    try:
        owner = _parse(disk.read(path, 4096))
    except OSError:
        owner = None
    if owner is None:
        return JournalLocked("journal in use by another process", hint="rpd inspect")
    since = f", since {owner.since}" if owner.since else ""
    return JournalLocked(
        f"journal in use by pid {owner.pid} on host {owner.host} ({_typed(owner.command)}{since})",
        owner=msgspec.to_builtins(owner),
        hint="rpd inspect",
    )


def _typed(command: str) -> str:
    return command if command.startswith("rpd ") else f"rpd {command}"


def _parse(text: bytes) -> Owner | None:
    return tolerant.decode(text, Owner)


def _user_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
