"""The local copy of a job's log, read for signs of a failure. Its text cannot be trusted."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from rpd.adapters.local.leaks import without_keys
from rpd.adapters.pod.local_log import base_path
from rpd.journal.redact import Redactor
from rpd.states.ports.log_reading import LogReading, SeenSign, read_text

PART_BYTES = 2 * 1024 * 1024
"""How many bytes of the beginning and of the end of a log are read."""


def read_log(log: Path, redactor: Redactor) -> LogReading:
    """What the present copy of the remote log says. Empty if it cannot be read."""
    try:
        reading = read_text(_text_of(log)) if log.is_file() else LogReading()
    except OSError:
        return LogReading()

    def masked(seen: SeenSign) -> SeenSign:
        # A line is a part of the log, so a secret may be cut there as well. And a process that goes on with a run, such
        # as `rpd gc`, need not know the run's secrets.
        return msgspec.structs.replace(seen, line=without_keys(redactor.mask(seen.line, is_cut=True)))

    return LogReading(masked(reading.cause) if reading.cause is not None else None, tuple(map(masked, reading.doubts)))


def _text_of(log: Path) -> str:
    base = 0
    with suppress(OSError, ValueError):
        base = int(base_path(log).read_text())
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(min(base, size))
        head = file.read(PART_BYTES)
        at = max(file.tell(), size - PART_BYTES)
        file.seek(at)
        tail = file.read(PART_BYTES)
    between = b"\n" if at > base + len(head) else b""
    return (head + between + tail).decode("utf-8", "replace")
