"""`steps.jsonl` in the run folder: the phase marks in a job's log, each once, with the time at which it arrived."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from rpd.adapters.local.files import read_regular
from rpd.journal import tolerant

STEPS_NAME = "steps.jsonl"

_SIGN = b"__RUNPOD_STEP_"
_MARK = re.compile(_SIGN + rb"(START|DONE)__([^\s\0]{1,200}?)__(?![A-Za-z0-9_])")
_LONGEST = 256
"""The longest mark, in bytes."""
_CHUNK = 1 << 20
STEPS_BYTES_MAX = 16 << 20
"""Some eighty thousand marks. Later marks are not written, because a log may be full of nothing else."""
_EVENTS = {b"START": "remote_step_started", b"DONE": "remote_step_completed"}


class StepLog:
    """Feed it the bytes of one launch's local log in order. A mark is known by its place in that file. The size of that
    file is the cursor of the copy: marks that were copied but not written when a process died are found there, and no
    mark is written twice.

    `wall` is this machine's clock (UTC seconds). `in_touch` is the last moment at which everything in the pod's log was
    known; None if there was none. A file that cannot be read or written costs the steps, never the run. `check` is
    called between pieces of the local log, and may raise.
    """

    def __init__(
        self,
        log: Path,
        launch: int,
        wall: Callable[[], float],
        in_touch: float | None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = log.with_name(STEPS_NAME)
        self._launch = launch
        self._wall = wall
        self._in_touch = in_touch
        self._next = 0  # marks before this place are written
        self._end = 0
        self._rest = b""
        self._unwritten = bytearray()
        self._size = 0
        self._check = check
        with suppress(OSError):
            self._load()
        with suppress(OSError):
            self._catch_up(log)

    def feed(self, data: bytes, end: int, *, is_backlog: bool) -> None:
        """The next bytes. They end at `end` in the local log. `is_backlog`: they were in the pod's log before it was
        followed, for an unknown time."""
        now = self._wall()
        if end - len(data) != self._end:
            self._rest = b""  # another copy begins here
        self._end = end
        within: float | None = 0.0
        if is_backlog:
            within = max(0.0, now - self._in_touch) if self._in_touch is not None else None
        self._scan(data, now, within)
        if not is_backlog:
            self._in_touch = now

    def is_up_to_date(self) -> None:
        """All that is in the pod's log has been fed."""
        self._in_touch = self._wall()

    def finish(self) -> None:
        """The log is complete: a mark may stand at its very end."""
        self._scan(b"", self._wall(), 0.0, is_last=True)

    def _scan(self, data: bytes, at: float, within: float | None, *, is_last: bool = False) -> None:
        text = self._rest + data
        begin = self._end - len(text)
        for mark in _MARK.finditer(text) if self._size < STEPS_BYTES_MAX and _SIGN in text else ():
            if mark.end() == len(text) and not is_last:
                break  # its name may go on
            if begin + mark.start() < self._next:
                continue
            row = self._row(mark, begin + mark.start(), at, within)
            if self._size + len(self._unwritten) + len(row) > STEPS_BYTES_MAX:
                self._size = STEPS_BYTES_MAX
                break
            self._next = begin + mark.end()
            self._unwritten += row
        self._rest = text[-_LONGEST:]
        if self._unwritten:
            with suppress(OSError):
                self._write()

    def _row(self, mark: re.Match[bytes], place: int, at: float, within: float | None) -> bytes:
        row = {
            "ts_utc": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": _EVENTS[mark[1]],
            "name": mark[2].decode("utf-8", "replace"),
            "launch": self._launch,
            "offset": place,
            "wall": round(at, 3),
            "within_seconds": within if within is None else round(within, 3),
        }
        return msgspec.json.encode(row) + b"\n"

    def _write(self) -> None:
        """Write whole lines, or none."""
        with self._path.open("ab", buffering=0) as file:
            size = file.tell()
            if file.write(self._unwritten) == len(self._unwritten):
                self._size = max(self._size, size + len(self._unwritten))
                self._unwritten.clear()
            else:
                file.truncate(size)

    def _load(self) -> None:
        """Find out what is written. The part of a line that a crash has left is cut off."""
        if not self._path.exists():
            return
        text = read_regular(self._path, 2 * STEPS_BYTES_MAX)
        self._size = len(text)
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            os.truncate(self._path, whole)
        for line in text[:whole].splitlines():
            row = tolerant.decode(line)
            if isinstance(row, dict) and row.get("launch") == self._launch and isinstance(row.get("offset"), int):
                self._next = max(self._next, row["offset"] + 1)

    def _catch_up(self, log: Path) -> None:
        """Read the present local log: its bytes came at its last change or before."""
        if not log.exists():
            return
        last = min(self._wall(), log.stat().st_mtime)
        with log.open("rb") as file:
            file.seek(self._next)
            self._end = self._next
            while data := file.read(_CHUNK):
                self._check()
                self._end += len(data)
                self._scan(data, last, None)
        self._in_touch = last
