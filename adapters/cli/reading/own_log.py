"""`rpd logs --rpd`: rpd's own log, over all its parts."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.own_log import CONTINUED, log_path
from rpd.adapters.local.rotating_file import parts_of
from rpd.adapters.report.words import utc
from rpd.adapters.runs.finding import find_journal
from rpd.adapters.terminal import output

LOOK_SECONDS = 0.3
PIECE_LINES = 1000


def show_own_log(run: str | None, *, follow: bool, tail: int, since_wall: float | None) -> int:
    """Print the last `tail` lines (0: all) that are not older, of one run or of all."""
    wanted = _Wanted(find_journal(run).stem if run is not None else None, since_wall)
    path = log_path(state_home())
    with contextlib.suppress(BrokenPipeError), contextlib.ExitStack() as stack:
        files = [stack.enter_context(part.open("rb")) for part in parts_of(path)]
        lines = (line for file in files for line in _lines(file) if wanted.takes(line))
        shown = deque(lines, tail) if tail else lines
        piece: list[str] = []
        for line in shown:
            piece.append(line)
            if len(piece) == PIECE_LINES:
                output.exact(piece)
                piece = []
        output.exact(piece)
        if not files:
            output.note([f"nothing was logged yet in {path}"])
        if follow:
            _follow(path, files[-1] if files else None, wanted)
    return 0


class _Wanted:
    """Which lines are meant. A line that continues an entry is taken if its entry was."""

    def __init__(self, run_id: str | None, since_wall: float | None) -> None:
        self._run_id = run_id
        self._since = utc(since_wall) if since_wall is not None else ""
        self._is_taken = False

    def takes(self, line: str) -> bool:
        if not line.startswith(CONTINUED):
            words = line.split(" ", 3)
            is_of_run = self._run_id is None or (len(words) > 2 and words[2] == self._run_id)
            self._is_taken = is_of_run and line >= self._since.removesuffix("Z")
        return self._is_taken


def _lines(file: BinaryIO) -> Iterator[str]:
    """The whole lines from where the file is now. The beginning of a line that is still being written stays unread."""
    while raw := file.readline():
        if not raw.endswith(b"\n"):
            file.seek(-len(raw), 1)
            return
        yield raw.decode("utf-8", "replace").rstrip("\n")


def _follow(path: Path, file: BinaryIO | None, wanted: _Wanted) -> None:
    """Print what is added, until Ctrl-C. A file that was moved is read to its end, and then the new one."""
    while True:
        if file is not None:
            output.exact(line for line in _lines(file) if wanted.takes(line))
        with contextlib.suppress(OSError):
            if file is None or not _is_same(file, path):
                newer = path.open("rb")
                if file is not None:
                    output.exact(line for line in _lines(file) if wanted.takes(line))
                    file.close()
                file = newer
        time.sleep(LOOK_SECONDS)


def _is_same(file: BinaryIO, path: Path) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), path.stat())
