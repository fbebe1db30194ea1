"""The job's output as lines that are safe on a terminal, read from the local copy of its log while that grows."""

from __future__ import annotations

import codecs
from collections import deque
from pathlib import Path

from rpd.adapters.report.words import clean

LINE_CHARACTERS_MAX = 1 << 14
"""A longer line is shown in pieces, so that output without line ends needs no more memory than this."""

PIECE_BYTES = 1 << 18


class LogTail:
    """Lines that arrived since the last call, from where the log stood at the start, or from its beginning. A line that
    was overwritten with carriage returns (a progress bar) is its last form; escape sequences are taken out. `path` is
    the file in hand."""

    def __init__(self, path: Path, *, from_beginning: bool = False) -> None:
        self._next: deque[Path] = deque()
        self._begin(path, 0 if from_beginning else _size(path))

    def _begin(self, path: Path, offset: int) -> None:
        self.path, self._offset = path, offset
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = ""

    def follow(self, path: Path) -> None:
        """After the end of this file another one, from its beginning: the log of the next launch."""
        if path != (self._next[-1] if self._next else self.path):
            self._next.append(path)

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read at once."""
        return bool(self._next) or self._offset < _size(self.path)

    @property
    def files(self) -> int:
        """How many files are not read to their end, the one in hand among them."""
        return 1 + len(self._next)

    def skip_to_last(self, count: int) -> int:
        """Leave out what is unread of this file but for its last lines, of `count` bytes at most; returns how many
        bytes nobody gets to see."""
        begin = _size(self.path) - count
        if begin <= self._offset:
            return 0
        last = _read(self.path, begin, count)
        begin += last.find(b"\n", 0, -1) + 1
        left_out = begin - self._offset + len(self._partial.encode())
        self._begin(self.path, begin)
        return left_out

    def new_lines(self, limit: int = PIECE_BYTES) -> list[str]:
        """Complete lines; at most `limit` bytes at once, and of one file. A line that has no end when its file is
        followed by the next one is complete."""
        data = _read(self.path, self._offset, limit)
        lines = self._decoded(data)
        if self._next and (not data or self._offset >= _size(self.path)):  # no data: none is left, or it cannot be read
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
        """The line that has no end yet, such as a progress bar; empty when there is none."""
        return clean(self._partial)


def _size(path: Path) -> int:
    """Of a file that may not be there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, offset: int, limit: int) -> bytes:
    """Of a file that may not be there."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(limit)
    except OSError:
        return b""


def _last_form(line: str) -> str:
    """What a terminal would show of it; the carriage return of a line end is none that overwrites."""
    if "\r" not in line:
        return line
    shown = line.rstrip("\r")
    return shown.rsplit("\r", 1)[-1] + line[len(shown) :][:1]
