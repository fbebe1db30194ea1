"""The file system as the journal's store uses it: a protocol with few calls, and the real implementation.

The store changes files only through `Disk`. So a simulated disk can tear writes, fill up, fail to sync and lose what
was never synced. Calls raise OSError with its errno; nothing else.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
import time
from pathlib import Path
from typing import Protocol

import msgspec

_NO_SYNC_HERE = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY}
_NETWORK_TYPES = ("nfs", "cifs", "smb", "afp", "9p", "fuse", "osxfuse", "macfuse", "webdav", "virtiofs", "vboxsf")
_SYNCED_FOLDERS = ("Dropbox", "OneDrive", "Google Drive", "GoogleDrive", "Mobile Documents", "CloudStorage")
_LOCK_TRIES = 5
_LOCK_PAUSE_SECONDS = 0.02


class FileStatus(msgspec.Struct, frozen=True):
    """`identity` tells a file from others. `mode` holds type and permissions. `uid` is its owner."""

    identity: tuple[int, int]
    size: int
    mode: int
    uid: int

    @property
    def is_file(self) -> bool:
        """A regular file: no folder, symlink, pipe or device."""
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        """A folder."""
        return stat.S_ISDIR(self.mode)


class Disk(Protocol):
    """Files by path or by handle (an int that stays valid until `close`)."""

    def uid(self) -> int:
        """The user for whom files are created."""
        ...

    def real(self, path: Path) -> Path:
        """The absolute path with every symlink resolved, as far as it exists."""
        ...

    def stat(self, path: Path) -> FileStatus | None:
        """The status of `path` itself, not of a symlink's target; None if there is nothing."""
        ...

    def status(self, handle: int) -> FileStatus:
        """The present status of an open file."""
        ...

    def read(self, path: Path, limit: int = -1) -> bytes:
        """Read the first `limit` bytes of a file, or all."""
        ...

    def create(self, path: Path) -> int:
        """Create a new file for appending, readable by its owner only. EEXIST if the path exists."""
        ...

    def open_append(self, path: Path) -> int:
        """Open a file for appending. ELOOP if it is a symlink."""
        ...

    def write(self, handle: int, data: bytes) -> int:
        """One write at the end of the file. Returns the number of bytes written, which may be less than requested."""
        ...

    def truncate(self, handle: int, size: int) -> None:
        """Cut a file to `size` bytes."""
        ...

    def sync(self, handle: int) -> None:
        """When this returns, everything written so far survives a power cut."""
        ...

    def close(self, handle: int) -> None:
        """Close the handle, which ends its lock."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name. EEXIST if the name is taken."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Move a file. A file at the target is replaced in one step."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a name. A missing name is no error."""
        ...

    def make_folder(self, path: Path) -> None:
        """Create one folder for its owner only. EEXIST if the path exists, ENOENT if its parent is missing."""
        ...

    def sync_folder(self, path: Path) -> None:
        """When this returns, names that were created, moved or removed in this folder survive a power cut."""
        ...

    def try_lock(self, path: Path) -> int | None:
        """Open a file (create it if it is missing) and lock it for this handle alone. None if another handle holds the
        lock.
        """
        ...

    def weakness(self, path: Path) -> str | None:
        """Why this folder may not keep the promises above (a sentence without full stop), or None."""
        ...


class OsDisk:
    """The operating system's files."""

    def uid(self) -> int:
        return os.geteuid()

    def real(self, path: Path) -> Path:
        return Path(os.path.realpath(path))

    def stat(self, path: Path) -> FileStatus | None:
        try:
            return _status(path.lstat())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def status(self, handle: int) -> FileStatus:
        return _status(os.fstat(handle))

    def read(self, path: Path, limit: int = -1) -> bytes:
        # Not blocking: the path may be a pipe.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
            return file.read(limit)

    def create(self, path: Path) -> int:
        return os.open(path, _APPEND | os.O_CREAT | os.O_EXCL, 0o600)

    def open_append(self, path: Path) -> int:
        return os.open(path, _APPEND | os.O_NONBLOCK)

    def write(self, handle: int, data: bytes) -> int:
        return os.write(handle, data)

    def truncate(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)

    def sync(self, handle: int) -> None:
        if sys.platform != "darwin":
            os.fdatasync(handle)
            return
        try:
            # fsync there leaves the data in the drive's own cache.
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in _NO_SYNC_HERE:
                raise
            os.fsync(handle)

    def close(self, handle: int) -> None:
        os.close(handle)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target, follow_symlinks=False)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        path.mkdir(0o700)

    def sync_folder(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in _NO_SYNC_HERE:  # some file systems cannot sync a folder and keep its names anyway
                raise
        finally:
            os.close(handle)

    def try_lock(self, path: Path) -> int | None:
        # flock, not lockf: a POSIX lock is lost when any other handle of the same file is closed in this process.
        handle = os.open(path, _APPEND | os.O_CREAT, 0o600)
        try:
            for attempt in range(_LOCK_TRIES):
                if attempt:
                    time.sleep(_LOCK_PAUSE_SECONDS)  # another process may only be checking whether it is locked
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return handle
                except BlockingIOError:
                    pass
        except OSError:
            os.close(handle)
            raise
        os.close(handle)
        return None

    def weakness(self, path: Path) -> str | None:
        kind = _file_system(path)
        if kind is not None and kind.startswith(_NETWORK_TYPES) and kind != "fuseblk":
            return f"{path} is on a {kind} file system, where locks and syncs may not hold"
        for name in _SYNCED_FOLDERS:
            if any(part.startswith(name) for part in path.parts):
                return f"{path} is in a folder that {name} copies about, which can undo writes"
        return None


_APPEND = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


def _status(found: os.stat_result) -> FileStatus:
    return FileStatus((found.st_dev, found.st_ino), found.st_size, found.st_mode, found.st_uid)


def _file_system(path: Path) -> str | None:
    """The name of the file system that holds `path`, or None if it cannot be found out."""
    if sys.platform == "darwin":
        return _file_system_of_macos(path)
    try:
        device = path.stat().st_dev
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        # 36 35 98:0 /root /mount options [more options] - type source super-options
        fields = line.split(" ")
        if fields[2] == wanted and "-" in fields:
            return fields[fields.index("-") + 1]
    return None


def _file_system_of_macos(path: Path) -> str | None:
    import ctypes

    # struct statfs of a 64-bit kernel: f_fstypename is 16 bytes at offset 72.
    room = ctypes.create_string_buffer(4096)
    system = ctypes.CDLL(None)
    call = getattr(system, "statfs$INODE64", None) or system.statfs
    if call(os.fsencode(path), room) != 0:
        return None
    return room.raw[72:88].split(b"\0", 1)[0].decode("ascii", "replace")
