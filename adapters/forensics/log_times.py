"""When the lines of a job's log were printed. The log itself has no times; the samples of the run say how long it was
at each of theirs."""

from __future__ import annotations

from pathlib import Path

from rpd.adapters.forensics.run import metrics_file
from rpd.adapters.forensics.samples import number, read_samples
from rpd.adapters.forensics.timeline import wall_of


def printed_before(folder: Path, log: Path, wall: float) -> int | None:
    """How many bytes of the log were printed before this moment (UTC seconds): at most that many. None if it is not
    known."""
    try:
        status = log.stat()
    except OSError:
        return None
    if status.st_mtime < wall:
        return status.st_size
    sizes = [
        size
        for row in read_samples(metrics_file(folder)).rows
        if (at := wall_of(row)) is not None and at <= wall and (size := number(row.get("log_bytes"))) is not None
    ]
    return min(int(sizes[-1]), status.st_size) if sizes else None
