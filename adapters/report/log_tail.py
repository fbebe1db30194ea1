"""The job's output as lines that are safe on a terminal, read from the growing local copy of its log."""

from __future__ import annotations

import codecs
from collections import deque
from pathlib import Path

from rpd.adapters.report.words import clean

LINE_CHARACTERS_MAX = 1 << 14
"""A longer line is shown in pieces, so output without line ends needs no more memory than this."""

PIECE_BYTES = 1 << 18


class LogTail:
    """Lines that arrived since the last call, from the end of the log at the start, or from its beginning. A line that
    was overwritten with carriage returns (a progress bar) has its last form. Escape sequences are removed. `path` is
    the file in hand."""

    def __init__(self, path: Path, *, from_beginning: bool = False) -> None:
        self._next: deque[Path] = deque()
        self._begin(path, 0 if from_beginning else _size(path))

    def _begin(self, path: Path, offset: int) -> None:
        self.path, self._offset = path, offset
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = ""

    def follow(self, path: Path) -> None:
        """After the end of this file, read another one from its beginning: the log of the next launch."""
        if path != (self._next[-1] if self._next else self.path):
            self._next.append(path)

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read at once."""
        return bool(self._next) or self._offset < _size(self.path)

    @property
    def files(self) -> int:
        """How many files are not read to their end, including the file in hand."""
        return 1 + len(self._next)

    def skip_to_last(self, count: int) -> int:
        """Skip the unread part of this file except its last lines, of at most `count` bytes. Returns how many bytes are
        never shown."""
        begin = _size(self.path) - count
        if begin <= self._offset:
            return 0
        last = _read(self.path, begin, count)
        begin += last.find(b"\n", 0, -1) + 1
        left_out = begin - self._offset + len(self._partial.encode())
        self._begin(self.path, begin)
        return left_out

    def new_lines(self, limit: int = PIECE_BYTES) -> list[str]:
        """Complete lines, of at most `limit` bytes at once, and of one file. If the next file follows, a last line
        without an end is complete."""
        data = _read(self.path, self._offset, limit)
        lines = self._decoded(data)
        if self._next and (not data or self._offset >= _size(self.path)):  # no data: nothing left, or unreadable
            lines += [self.unfinished] if self.unfinished else []
            self._begin(self._next.popleft(), 0)
        return lines

    def _decoded(self, data: bytes) -> list[str]:
        if not data:
            return []
        self._offset += len(data)
        *lines, rest = (self._partial + self._decoder.decode(data)).split("\n")
        rest = _last_form(rest)
        while len(rest) > LINE_CHARACTERS_MAX:
            lines.append(rest[:LINE_CHARACTERS_MAX])
            rest = rest[LINE_CHARACTERS_MAX:]
        self._partial = rest
        return [clean(_last_form(line)) for line in lines]

    @property
    def unfinished(self) -> str:
        """The line that has no end yet, such as a progress bar. Empty if there is none."""
        return clean(self._partial)


def _size(path: Path) -> int:
    """The size of a file that may be missing."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, offset: int, limit: int) -> bytes:
    """Bytes of a file that may be missing."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(limit)
    except OSError:
        return b""


def _last_form(line: str) -> str:
    """What a terminal would show of the line. The carriage return of a line end overwrites nothing."""
    if "\r" not in line:
        return line
    shown = line.rstrip("\r")
    return shown.rsplit("\r", 1)[-1] + line[len(shown) :][:1]
