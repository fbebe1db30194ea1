"""The Python face of what runs have left: load one, walk over its records, have all as rows for a table.

    from rpd.adapters import api

    run = api.load("artifacts/runpod/train-20260101T000000Z-abcdef")
    run.row(api.now()).cost_usd
    pandas.DataFrame(api.rows())

Everything here only reads. Times are UTC, durations seconds, money USD.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.forensics.row import RunRow
from rpd.adapters.forensics.run import LoadedRun, folders, holds_run, row_of_known
from rpd.adapters.forensics.run import load as load_path
from rpd.adapters.forensics.timeline import wall_of
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import state_home
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalError
from rpd.journal.index import Index
from rpd.journal.records import Record, Stamp

__all__ = ["LoadedRun", "RunRow", "events", "load", "now", "records", "rows", "runs"]


def now() -> Stamp:
    """This moment, for what is computed of an unfinished run."""
    return SystemClock().now()


def load(run: str | Path) -> LoadedRun:
    """The run of a run folder, a manifest, a journal, or a run id of this state home. Raises UserError or
    JournalError."""
    path = Path(run)
    if path.exists() and (isinstance(run, Path) or os.sep in run or holds_run(path)):
        return load_path(path)
    found = [entry for entry in Index(state_home()).find(str(run)) if entry.run_id.startswith(str(run))]
    if not found and path.exists():
        return load_path(path)
    if len(found) != 1:
        raise UserError(f"{len(found)} runs are named {run}")
    return load_path(Path(found[0].journal))


def records(run: str | Path) -> Iterator[Record]:
    """The verified records of a run's journal, oldest first. Raises UserError when there is no journal."""
    reading = load(run).reading
    if reading is None:
        raise UserError(f"{run} has no journal, only a manifest")
    return iter(reading.records)


def events(run: str | Path) -> Iterator[dict[str, Any]]:
    """The same as plain data, and those of older run folders: each has `ts_utc` and `event`."""
    return load(run).events()


def runs(root: str | Path | None = None) -> Iterator[RunRow]:
    """Every run of this state home, or every run folder below `root` (a project's root stands for its
    `artifacts/runpod`), newest first. Damage is told in `problem`; a folder without any run in it is left out."""
    at = now()
    if root is not None:
        yield from sorted(_below(Path(root), at), key=lambda row: wall_of({"ts_utc": row.started}) or 0.0, reverse=True)
        return
    for entry in Index(state_home()).entries():
        yield row_of_known(entry, at)


def _below(root: Path, at: Stamp) -> Iterator[RunRow]:
    for folder in folders(root):
        with contextlib.suppress(JournalError, UserError):
            yield load_path(folder).row(at)


def rows(root: str | Path | None = None) -> list[dict[str, Any]]:
    """The same as plain dicts, one per run: `pandas.DataFrame(rows())`."""
    return [msgspec.to_builtins(row) for row in runs(root)]
