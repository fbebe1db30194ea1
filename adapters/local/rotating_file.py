"""A file that many processes append lines to, and that never grows without end: `NAME`, and older parts `NAME.1` to
`NAME.4`.

Each line is one write at the end of the file (O_APPEND), so lines of different processes never mix. One process at a
time moves the parts, under a lock. A process that still writes to a part that was just moved loses nothing: the line is
in that part.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

PART_BYTES_MAX = 10_000_000
PARTS = 5


class RotatingFile:
    """Readable by this user alone from its first byte. Owned by one thread."""

    def __init__(self, path: Path, *, part_bytes_max: int = PART_BYTES_MAX, parts: int = PARTS) -> None:
        self.path = path
        self._limit = part_bytes_max
        self._parts = parts
        self._handle: int | None = None
        self._is_torn = False

    def append(self, line: bytes) -> None:
        """Write one line, with its end. Raises OSError. After a disk was full in the middle of a line, the next one
        begins a line of its own."""
        handle = self._open()
        size = os.fstat(handle).st_size
        if size and size + len(line) > self._limit:
            handle = self._rotate(handle)
        text = b"\n" + line if self._is_torn else line
        self._is_torn = os.write(handle, text) < len(text)

    def close(self) -> None:
        """Close the file. A later `append` opens it again."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        """The file that has the name now: another process may have moved the one that is open here."""
        if self._handle is not None and not _is_at(self._handle, self.path):
            self.close()
        if self._handle is None:
            self.path.parent.mkdir(0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            self._handle = os.open(self.path, flags, 0o600)
        return self._handle

    def _rotate(self, handle: int) -> int:
        """Move the parts, and begin a new file. If another process does that now, this file grows a little more."""
        with self._locked() as is_mine:
            if not is_mine:
                return handle
            if _is_at(handle, self.path):
                for number in range(self._parts - 1, 0, -1):
                    older, newer = self._part(number), self._part(number - 1)
                    with contextlib.suppress(FileNotFoundError):
                        newer.replace(older)
            return self._open()

    def _part(self, number: int) -> Path:
        return part(self.path, number)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        """Whether this process is the one that moves the parts. It does not wait for another."""
        name = self.path.with_name(f"{self.path.name}.lock")
        lock = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)


def part(path: Path, number: int) -> Path:
    """The file itself (0), or one of its older parts."""
    return path.with_name(f"{path.name}.{number}") if number else path


def parts_of(path: Path) -> list[Path]:
    """The parts that exist, the oldest first."""
    return [found for number in range(PARTS - 1, -1, -1) if (found := part(path, number)).is_file()]


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file still has this name."""
    try:
        there = path.stat(follow_symlinks=False)
    except OSError:
        return False
    here = os.fstat(handle)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
