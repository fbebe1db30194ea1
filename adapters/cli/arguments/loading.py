"""Find the one run that a person means, and load everything that it has left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rpd.adapters.cli.arguments.finding import find_journal, means_path
from rpd.adapters.forensics.run import LoadedRun, holds_run, load
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalError


def loaded_run(run: str | None) -> LoadedRun:
    """The run a person means: a folder, a manifest, a journal, or, as everywhere, a run id, prefix or workflow. Raises
    UserError."""
    if run is not None and means_path(run, holds_run) and Path(run).exists():
        try:
            return load(Path(run))
        except JournalError as error:
            raise UserError(error.message) from error
    return load(find_journal(run))


def manifest_beside(loaded: LoadedRun) -> dict[str, Any] | None:
    """The manifest among the files of a run that was named by its journal."""
    folder = loaded.files_folder()
    if folder is None or not folder.is_dir():
        return None
    try:
        return load(folder).manifest
    except (UserError, JournalError):
        return None
