"""Small files: read with a limit, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from rpd.engine.errors import UserError
from rpd.states.ports.faults import Fault


def require_text(path: Path) -> Path:
    """Return `path`. Raises UserError if its name is no UTF-8, because journals are UTF-8 and contain it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="backslashreplace").decode()
        raise UserError(f"the name {shown} is no UTF-8 text; rename it", reason="not_utf8") from None
    return path


def read_regular(path: Path, limit: int) -> bytes:
    """At most `limit` bytes of a regular file. It never waits, as it would for a named pipe. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(code, "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file", str(path))
        content = b""
        while len(content) < limit and (part := os.read(descriptor, limit - len(content))):
            content += part
        return content
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Effect: replace `path` by a synced new file. Raises UserError (`local_disk`); the old file is then untouched."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error.strerror}", reason=Fault.LOCAL_DISK) from error


def make_private(folder: Path) -> None:
    """Effect: make the folder and those above it, as far as they are absent, for this user alone, whatever the umask
    allows. Raises OSError."""
    for each in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        each.mkdir(mode=0o700, exist_ok=True)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """In this block no other `rpd` that asks for the same changes files of the folder. The lock is that of the folder,
    so that no file is left over. A file system without locks locks nothing. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable. A file system that cannot do this is ignored."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
