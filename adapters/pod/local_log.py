"""The local copy of a job's log. Its size is the cursor, so nothing else has to be saved to continue where it ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from rpd.engine.errors import UserError
from rpd.states.ports.faults import Fault

RESTARTED = b"\n--- log restarted ---\n"


class LocalLog:
    """An append-only file. Once the remote log was replaced, a small file beside it says where the new copy begins.

    `told` gets every appended byte of the remote log, and whether it was there before the log was followed. Errors of
    this machine's disk are UserError.
    """

    def __init__(self, path: str, told: Callable[[bytes, bool], None] | None = None) -> None:
        self._on_data = told
        self._path = Path(path)
        self._base_path = base_path(self._path)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._path.open("ab", buffering=0)
            self._base = int(self._base_path.read_text()) if self._base_path.exists() else 0
            self._size = self._path.stat().st_size
            if self._size < self._base:
                # A crash came between the note of a restart and its line in the log.
                self._write(RESTARTED[-(self._base - self._size) :].rjust(self._base - self._size, b"\n"))
        except (OSError, ValueError) as error:
            raise _unwritable(path, error) from error

    @property
    def size(self) -> int:
        """Bytes in the local file."""
        return self._size

    @property
    def base(self) -> int:
        """The offset in the local file at which the present copy of the remote log begins."""
        return self._base

    @property
    def offset(self) -> int:
        """How many bytes of the remote log are here."""
        return self._size - self._base

    def append(self, data: bytes, *, is_backlog: bool = False) -> None:
        """Append the received bytes. They are in the file when this returns."""
        try:
            self._write(data)
        except OSError as error:
            raise _unwritable(str(self._path), error) from error
        if self._on_data is not None:
            self._on_data(data, is_backlog)

    def restart(self) -> None:
        """The remote log is another one now: keep the local bytes, write a note, and copy from the beginning of the new
        log."""
        base = self._size + len(RESTARTED)
        try:
            fresh = self._base_path.with_name(f"{self._base_path.name}.tmp")
            fresh.write_text(f"{base}\n")
            fresh.replace(self._base_path)
            self._write(RESTARTED)
        except OSError as error:
            raise _unwritable(str(self._path), error) from error
        self._base = base

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> LocalLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            count = self._file.write(rest)
            self._size += count
            rest = rest[count:]


def base_path(log: Path) -> Path:
    """The file with the offset at which the present copy of the remote log begins in this local log. It does not exist
    for 0."""
    return log.with_name(f".{log.name}.base")


def _unwritable(path: str, error: Exception) -> UserError:
    return UserError(f"the local log {path} cannot be written: {error}", reason=Fault.LOCAL_DISK)
