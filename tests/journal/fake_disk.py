"""A disk in memory that remembers what was synced: the store's file system with every misfortune on request.

What a process wrote is visible at once; what a power cut leaves is what was synced (files by `sync`, names by
`sync_folder`). A failed sync loses the file's unsynced bytes for good while later syncs of it report success, as
Linux does.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from rpd.journal.disk import FileStatus

CALLS = frozenset(
    [
        "stat",
        "status",
        "read",
        "create",
        "open_append",
        "write",
        "truncate",
        "sync",
        "close",
        "link",
        "rename",
        "unlink",
        "make_folder",
        "sync_folder",
        "try_lock",
    ]
)


class Inode:
    """A file: what is visible, what would survive, and whether a sync of it has failed."""

    def __init__(self, number: int, is_folder: bool = False) -> None:
        self.number = number
        self.is_folder = is_folder
        self.data = bytearray()
        self.is_lost = False
        self.durable_bytes = 0
        self._cut_off = b""  # what would survive of a part that was cut off and is not synced away yet

    @property
    def is_synced(self) -> bool:
        """Whether all that is visible, and nothing else, would survive."""
        return self.durable_bytes == len(self.data) and not (self.is_lost or self._cut_off)

    @property
    def durable(self) -> bytes:
        """What would survive."""
        return self._cut_off or bytes(self.data[: self.durable_bytes])

    def sync(self) -> None:
        """All that is visible would survive."""
        self.durable_bytes, self._cut_off = len(self.data), b""

    def cut(self, size: int) -> None:
        """Only the first `size` bytes are visible."""
        if size < self.durable_bytes and not self._cut_off:
            self._cut_off = self.durable
        del self.data[size:]


class FakeDisk:
    """`room` is how many bytes may still be written (None: endless). `calls` counts each call by name."""

    def __init__(self) -> None:
        self.room: int | None = None
        self.calls = dict.fromkeys(CALLS, 0)
        self.weak: str | None = None
        self.before: Callable[[str], None] | None = None  # hears of every call
        self.hooks: dict[str, Callable[[], object]] = {}  # hear of the calls of one name
        self._faults: list[tuple[str, int, list[int]]] = []
        self._tears: list[int] = []
        self._names: dict[str, Inode] = {"/": Inode(1, True)}  # by the text of the path, which costs less to compare
        self._durable_names = dict(self._names)
        self._handles: dict[int, Inode] = {}
        self._locks: dict[int, int] = {}
        self._next = 2

    # Misfortunes.

    def fail(self, call: str, code: int, *, after: int = 0, times: int = 1) -> None:
        """Let `call` raise `code`, `times` times, once it has succeeded `after` more times."""
        start = self.calls[call] + after + 1
        self._faults.append((call, code, list(range(start, start + times))))

    def tear_next_write(self, size: int) -> None:
        """Let the next write take `size` bytes only."""
        self._tears.append(size)

    def kill(self) -> None:
        """The process dies; the machine lives on."""
        self._handles.clear()
        self._locks.clear()
        self._faults.clear()

    def cut_power(self, keep: Callable[[Path, bytes, bytes], bytes] = lambda path, durable, seen: durable) -> None:
        """The machine dies. `keep` says what is left of a file, given what was synced and what was visible."""
        self.kill()
        self._names = dict(self._durable_names)
        for name, inode in self._names.items():
            inode.data = bytearray(keep(Path(name), inode.durable, bytes(inode.data)))
            inode.sync()
            inode.is_lost = False

    # For tests to look and meddle.

    def files(self, folder: Path) -> list[str]:
        """Names in a folder."""
        return sorted(name.rpartition("/")[2] for name in self._names if _is_in(name, str(folder)))

    def put(self, path: Path, data: bytes) -> None:
        """Somebody else writes a whole new file."""
        inode = self._new(False)
        inode.data = bytearray(data)
        inode.sync()
        self._names[str(path)] = self._durable_names[str(path)] = inode

    def put_folders(self, names: Iterable[str]) -> None:
        """Folders that have been there for long."""
        for name in names:
            if name not in self._names:
                self._names[name] = self._durable_names[name] = self._new(True)

    def find(self, path: Path) -> Inode | None:
        """The file at a path, without a call that counts or fails."""
        return self._names.get(str(path))

    def contents(self) -> Iterable[tuple[str, Inode]]:
        """Every name with what it leads to."""
        return self._names.items()

    def take_away(self, path: Path) -> Inode | None:
        """Somebody moves a file away."""
        return self._names.pop(str(path), None)

    def put_back(self, path: Path, inode: Inode) -> None:
        """What was moved away comes back."""
        self._names[str(path)] = inode

    # The protocol.

    def uid(self) -> int:
        return 1000

    def real(self, path: Path) -> Path:
        return path

    def stat(self, path: Path) -> FileStatus | None:
        self._enter("stat")
        inode = self._names.get(str(path))
        return None if inode is None else _status(inode)

    def status(self, handle: int) -> FileStatus:
        self._enter("status")
        return _status(self._handles[handle])

    def read(self, path: Path, limit: int = -1) -> bytes:
        self._enter("read")
        data = bytes(self._at(path).data)
        return data if limit < 0 else data[:limit]

    def create(self, path: Path) -> int:
        self._enter("create")
        if str(path) in self._names:
            raise _error(errno.EEXIST, path)
        self._at(path.parent)
        self._names[str(path)] = inode = self._new(False)
        return self._open(inode)

    def open_append(self, path: Path) -> int:
        self._enter("open_append")
        return self._open(self._at(path))

    def write(self, handle: int, data: bytes) -> int:
        self._enter("write")
        size = len(data)
        if self._tears:
            size = min(size, self._tears.pop(0))
        if self.room is not None:
            if self.room == 0 and size:
                raise _error(errno.ENOSPC)
            size = min(size, self.room)
            self.room -= size
        self._handles[handle].data += data[:size]
        return size

    def truncate(self, handle: int, size: int) -> None:
        self._enter("truncate")
        inode = self._handles[handle]
        self._free(len(inode.data) - size)
        inode.cut(size)
        if size <= inode.durable_bytes:
            inode.is_lost = False  # what the failed sync lost is cut off; what is written now is new to the kernel

    def sync(self, handle: int) -> None:
        inode = self._handles[handle]
        try:
            self._enter("sync")
        except OSError:
            inode.is_lost = True
            raise
        if not inode.is_lost:
            inode.sync()

    def close(self, handle: int) -> None:
        self._enter("close")
        inode = self._handles.pop(handle)
        if self._locks.get(inode.number) == handle:
            del self._locks[inode.number]

    def link(self, source: Path, target: Path) -> None:
        self._enter("link")
        if str(target) in self._names:
            raise _error(errno.EEXIST, target)
        self._names[str(target)] = self._at(source)

    def rename(self, source: Path, target: Path) -> None:
        self._enter("rename")
        inode = self._at(source)
        self.unlink(target)
        self._names[str(target)] = inode
        del self._names[str(source)]

    def unlink(self, path: Path) -> None:
        self._enter("unlink")
        inode = self._names.pop(str(path), None)
        if inode is not None and inode not in self._names.values() and inode not in self._handles.values():
            self._free(len(inode.data))

    def make_folder(self, path: Path) -> None:
        self._enter("make_folder")
        if str(path) in self._names:
            raise _error(errno.EEXIST, path)
        self._at(path.parent)
        self._names[str(path)] = self._new(True)

    def sync_folder(self, path: Path) -> None:
        self._enter("sync_folder")
        self._at(path)
        folder = str(path)
        for known in [known for known in self._durable_names if _is_in(known, folder)]:
            del self._durable_names[known]
        self._durable_names.update({known: inode for known, inode in self._names.items() if _is_in(known, folder)})

    def try_lock(self, path: Path) -> int | None:
        self._enter("try_lock")
        if str(path) not in self._names:
            self._at(path.parent)
            self._names[str(path)] = self._new(False)
        inode = self._at(path)
        if inode.number in self._locks:
            return None
        handle = self._open(inode)
        self._locks[inode.number] = handle
        return handle

    def weakness(self, path: Path) -> str | None:
        return self.weak

    def _enter(self, call: str) -> None:
        if self.before is not None:
            self.before(call)
        if call in self.hooks:
            self.hooks[call]()
        self.calls[call] += 1
        if self._faults:
            for name, code, counts in self._faults:
                if name == call and self.calls[call] in counts:
                    raise _error(code)

    def _at(self, path: Path) -> Inode:
        if str(path) not in self._names:
            raise _error(errno.ENOENT, path)
        return self._names[str(path)]

    def _new(self, is_folder: bool) -> Inode:
        self._next += 1
        return Inode(self._next, is_folder)

    def _open(self, inode: Inode) -> int:
        self._next += 1
        self._handles[self._next] = inode
        return self._next

    def _free(self, size: int) -> None:
        if self.room is not None:
            self.room += max(size, 0)


def _is_in(name: str, folder: str) -> bool:
    return name != folder and (name.rpartition("/")[0] or "/") == folder


_FOLDER_MODE, _FILE_MODE = stat.S_IFDIR | 0o700, stat.S_IFREG | 0o600


def _status(inode: Inode) -> FileStatus:
    return FileStatus((1, inode.number), len(inode.data), _FOLDER_MODE if inode.is_folder else _FILE_MODE, 1000)


def _error(code: int, path: Path | None = None) -> OSError:
    return OSError(code, os.strerror(code), str(path) if path else None)
