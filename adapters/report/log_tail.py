"""The job's output as lines that are safe on a terminal, read from the local copy of its log while that grows."""

from __future__ import annotations

import codecs
from pathlib import Path

from rpd.adapters.report.words import clean

LINE_CHARACTERS_MAX = 1 << 14
"""A longer line is shown in pieces, so that output without line ends needs no more memory than this."""


class LogTail:
    """Lines that arrived since the last call, from where the log stood at the start. A line that was overwritten with
    carriage returns (a progress bar) is its last form; escape sequences are taken out."""

    def __init__(self, path: Path) -> None:
        self._begin(path, path.stat().st_size if path.exists() else 0)

    def _begin(self, path: Path, offset: int) -> None:
        self._path, self._offset = path, offset
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = ""

    def follow(self, path: Path) -> None:
        """From here on another file, from its beginning: the log of the next launch."""
        if path != self._path:
            self._begin(path, 0)

    def new_lines(self, limit: int = 1 << 20) -> list[str]:
        """Complete lines; at most `limit` bytes at once."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(limit)
        except OSError:
            return []
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


def _last_form(line: str) -> str:
    """What a terminal would show of it; the carriage return of a line end is none that overwrites."""
    if "\r" not in line:
        return line
    shown = line.rstrip("\r")
    return shown.rsplit("\r", 1)[-1] + line[len(shown) :][:1]
