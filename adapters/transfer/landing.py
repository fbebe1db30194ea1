"""The destination of a pull: a folder beside the target that is filled, verified, and only then moved into place."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import stat
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rpd.adapters.transfer.archive import Member
from rpd.adapters.transfer.entry import NAMED_MAX, Entry, Interrupted, bounded, is_safe, named, shown
from rpd.adapters.transfer.local_tree import check
from rpd.adapters.transfer.memory import Memory
from rpd.adapters.transfer.patterns import Patterns
from rpd.engine.errors import Refused
from rpd.states.ports.faults import Fault

RESERVE_BYTES = 64 * 1024 * 1024
"""Bytes that a pull leaves free: the journal too is written to this disk."""
RESUME_BYTES_MIN = 1024 * 1024
"""For a smaller part of a file it is not worth asking the pod."""
_FEW_FILES = 64
_CHUNK = 1024 * 1024


class Landing:
    """A partial folder for one target. A file in it is complete if its hash says so, whichever try left it there.

    Methods raise OSError, and Refused with `path_refused` or `disk_full`.
    """

    def __init__(self, target: Path, remote_path: str) -> None:
        token = hashlib.sha256(os.fsencode(remote_path)).hexdigest()[:8]
        self.target = target
        self._made: set[str] = set()
        self.partial = target.with_name(f"{target.name}.partial-{token}")
        target.parent.mkdir(parents=True, exist_ok=True)
        self.partial.mkdir(mode=0o700, exist_ok=True)
        if not stat.S_ISDIR(self.partial.lstat().st_mode):
            raise _refused(f"{self.partial} is not a folder", [str(self.partial)])

    def is_intact(self, entry: Entry, is_folder: bool, interrupted: Interrupted, memory: Memory) -> bool:
        """Whether the file is there, partial or in place, with the right content."""
        arrived = self._below(entry.path)
        place = f"{self.target}/{entry.path}" if is_folder else f"{self.target}"
        if _holds(place, entry, interrupted, memory):
            # A leftover of an earlier version must not replace it later.
            Path(arrived).unlink(missing_ok=True)
            return True
        return _holds(arrived, entry, interrupted, memory)

    def begun(self, entry: Entry) -> int:
        """How many bytes of the file an earlier try has left, if it is worth continuing from them; else 0."""
        try:
            info = os.lstat(self._below(entry.path))
        except (FileNotFoundError, NotADirectoryError):
            return 0
        is_part = stat.S_ISREG(info.st_mode) and RESUME_BYTES_MIN <= info.st_size < entry.size
        return info.st_size if is_part else 0

    def check_room(self, wanted: int) -> None:
        """Refuse at once what cannot fit."""
        free = shutil.disk_usage(self.partial).free
        if wanted and wanted + RESERVE_BYTES > free:
            raise Refused(
                f"{wanted} bytes are to be fetched and {free} are free at {self.target.parent}", reason=Fault.DISK_FULL
            )

    def check_names(self, entries: Iterable[Entry]) -> None:
        """Refuse names that this file system would take for the same name."""
        folds = self._folds_case()
        if clashing := clashes((entry.path for entry in entries), folds):
            raise _refused(f"names that cannot exist side by side here: {named(clashing)}", clashing)

    def settle(self, entries: Sequence[Entry], is_folder: bool, interrupted: Interrupted) -> None:
        """Make all durable, then move each file into place. Other files at the target stay as they are. Files that were
        moved before an interruption are known by their content when the pull goes on."""
        root = self.target if is_folder else self.target.parent
        if is_folder:
            root.mkdir(exist_ok=True)
        self._sync(entries)
        folders = {""}
        for entry in entries:
            check(interrupted)
            if entry.kind == "folder":
                _make_folder(root, entry.path, entry.mode)
                continue
            parent = entry.path.rpartition("/")[0] if is_folder else ""
            if parent not in folders:
                _make_folder(root, parent)
                folders.add(parent)
            self._move(entry, f"{root}/{entry.path}" if is_folder else f"{self.target}")
        for folder in folders:
            _sync_path(root / folder)
        shutil.rmtree(self.partial)

    def open_file(self, path: str) -> int:
        """A descriptor to write a new file in the partial folder, in place of any leftover."""
        place = self._below(path)
        parent = path.rpartition("/")[0]
        if parent not in self._made:
            (self.partial / parent).mkdir(parents=True, exist_ok=True)
            self._made.add(parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(place, flags, 0o600)
        except FileExistsError:
            if Path(place).is_dir() and not Path(place).is_symlink():
                shutil.rmtree(place)
            else:
                Path(place).unlink()
            return os.open(place, flags, 0o600)

    def open_again(self, path: str) -> int:
        """A descriptor to read a file in the partial folder, and to write after its end."""
        return os.open(self._below(path), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)

    def _below(self, path: str) -> str:
        # Text, not a Path: for small files, making a Path costs more than the system calls that use it.
        return f"{self.partial}/{path}"

    def _move(self, entry: Entry, place: str) -> None:
        arrived = self._below(entry.path)
        try:
            if entry.kind == "link":
                Path(arrived).parent.mkdir(parents=True, exist_ok=True)
                Path(arrived).unlink(missing_ok=True)
                Path(arrived).symlink_to(entry.target)
            else:
                os.chmod(arrived, entry.mode & 0o777 | stat.S_IRUSR | stat.S_IWUSR)  # noqa: PTH101
                os.utime(arrived, (entry.mtime, entry.mtime))
        except FileNotFoundError:
            return  # already in place, and verified there
        os.replace(arrived, place)  # noqa: PTH105

    def _sync(self, entries: Sequence[Entry]) -> None:
        arrived = [self.partial / entry.path for entry in entries if entry.kind == "file"]
        if len(arrived) > _FEW_FILES:
            _sync_file_system(self.partial)
            return
        for path in arrived:
            if path.exists():
                _sync_path(path)

    def _folds_case(self) -> bool:
        probe = self.partial / ".rpd-Case"
        probe.touch()
        try:
            return (self.partial / ".RPD-cASE").exists()
        finally:
            probe.unlink()


class Arrival:
    """One file being written into the partial folder, and hashed on the way. It is there only when all of it is right.
    `begun` bytes of it were there before."""

    def __init__(
        self,
        landing: Landing,
        entry: Entry,
        moved: Callable[[int], None],
        memory: Memory | None = None,
        descriptor: int | None = None,
    ) -> None:
        self._memory = memory
        self._entry = entry
        self._moved = moved
        self._whole = hashlib.sha256()
        self._descriptor: int | None = landing.open_file(entry.path) if descriptor is None else descriptor
        self.begun = 0
        self.is_right = False

    @classmethod
    def again(
        cls,
        landing: Landing,
        entry: Entry,
        moved: Callable[[int], None],
        memory: Memory,
        interrupted: Interrupted,
    ) -> Arrival:
        """An arrival that continues after the bytes of an earlier try. Raises OSError, Interrupted."""
        descriptor = landing.open_again(entry.path)
        arrival = cls(landing, entry, moved, memory, descriptor)
        if (known := memory.kept(entry.path, os.fstat(descriptor))) is not None:
            arrival._whole = known
            arrival.begun = os.lseek(descriptor, 0, os.SEEK_END)
            return arrival
        try:
            while data := os.read(descriptor, _CHUNK):
                check(interrupted)
                arrival._whole.update(data)
                arrival.begun += len(data)
        except BaseException:
            arrival.abandon()
            raise
        return arrival

    @property
    def sha256(self) -> str:
        """The hash of the bytes so far."""
        return self._whole.hexdigest()

    def write(self, data: memoryview) -> None:
        """The next bytes."""
        assert self._descriptor is not None
        self._whole.update(data)
        self._moved(len(data))
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """All bytes came."""
        self.abandon()
        self.is_right = self._whole.hexdigest() == self._entry.sha256

    def abandon(self) -> None:
        """Close the file as it is."""
        if self._descriptor is not None:
            info = os.fstat(self._descriptor)
            os.close(self._descriptor)
            if self._memory is not None and RESUME_BYTES_MIN <= info.st_size < self._entry.size:
                self._memory.keep(self._entry.path, info, self._whole)
        self._descriptor = None


def clashes(paths: Iterable[str], folds: bool) -> list[str]:
    """Paths that are the same for a file system which ignores case. Empty for other file systems."""
    seen: dict[tuple[int, str], tuple[str, int]] = {}  # a folder and a name in it -> its spelling, its number
    out = []
    for path in paths if folds else ():
        folder = 0
        for part in path.split("/"):
            key = (folder, unicodedata.normalize("NFC", part).casefold())
            spelled, folder = seen.setdefault(key, (part, len(seen) + 1))
            if spelled != part:
                out.append(path)
                break
    return out


def prune(root: Path, kept: set[str], patterns: Patterns) -> None:
    """Remove what is below `root`, unless it is among `kept` (paths from there) or excluded. Links are removed, never
    followed."""
    for folder, folders, files in os.walk(root, topdown=False):
        below = Path(folder).relative_to(root)
        for name in (*files, *folders):
            path, place = (below / name).as_posix(), Path(folder, name)
            is_folder = place.is_dir() and not place.is_symlink()
            if path in kept or patterns.cover(path, is_folder):
                continue
            if not is_folder:
                place.unlink()
            elif not any(place.iterdir()):
                place.rmdir()


def hostile(member: Member) -> str:
    """Why a member of a stream cannot be accepted, or an empty string."""
    if not is_safe(member.path):
        return "leaves the destination"
    if member.kind not in "017":
        return "is not a file"
    return ""


def _holds(place: str, entry: Entry, interrupted: Interrupted, memory: Memory) -> bool:
    try:
        info = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(info.st_mode) or info.st_size != entry.size:
        return False
    check(interrupted)
    return memory.sha256_of(place, info, interrupted) == entry.sha256


def _make_folder(root: Path, path: str, mode: int = 0o755) -> None:
    """Make folders below `root`. None of them may be a link: through a link, a pull would write elsewhere."""
    place = root
    for part in path.split("/"):
        place = place / part
        try:
            place.mkdir(mode=mode & 0o777 | stat.S_IRWXU)
        except FileExistsError:
            if not stat.S_ISDIR(place.lstat().st_mode):
                raise _refused(f"{place} is not a folder here", [path]) from None


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(folder: Path) -> None:
    """Flush the whole file system once. For many files this is far quicker than one flush each."""
    if not sys.platform.startswith("linux"):
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "cannot be made durable", str(folder))
    finally:
        os.close(descriptor)


def _refused(message: str, paths: list[str]) -> Refused:
    names = [bounded(shown(path)) for path in paths[:NAMED_MAX]]
    return Refused(shown(message)[:1000], reason=Fault.PATH_REFUSED, detail={"paths": names})
