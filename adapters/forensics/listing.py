"""The list of all runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rpd.adapters.forensics.row import RunRow
from rpd.adapters.forensics.run import LoadedRun, folders, load, loaded_of_known
from rpd.adapters.forensics.timeline import wall_of
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import state_home
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalError
from rpd.journal.index import Index
from rpd.journal.records import Stamp


def all_rows(root: Path | None = None) -> Iterator[RunRow]:
    """Every run of this state home, or every run folder below `root` (a project's root stands for its
    `artifacts/runpod`), newest first. `problem` reports damage. A folder without any run is left out."""
    return (row for _, row in known_runs(root))


def known_runs(root: Path | None = None) -> Iterator[tuple[LoadedRun | None, RunRow]]:
    """The same rows, each with its loaded run. None for a run that only the index knows."""
    at = SystemClock().now()
    if root is None:
        return (loaded_of_known(entry, at) for entry in Index(state_home()).entries())
    found = _below(root, at)
    return iter(sorted(found, key=lambda pair: wall_of({"ts_utc": pair[1].started}) or 0.0, reverse=True))


def _below(root: Path, at: Stamp) -> Iterator[tuple[LoadedRun, RunRow]]:
    for folder in folders(root):
        with contextlib.suppress(JournalError, UserError):
            loaded = load(folder)
            yield loaded, loaded.row(at)
