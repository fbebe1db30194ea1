"""Secrets that record 0 of a run would show."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rpd.adapters.local.secret_content import disclosures
from rpd.adapters.spec.jobfile import LoadedJob
from rpd.journal.paths import journal_path


def disclosed(loaded: LoadedJob, home: Path) -> list[str]:
    """Why record 0 must not hold this job, a sentence for each secret of this machine. Empty if all is well."""
    path = journal_path(home, loaded.workflow, loaded.run_id)
    places = {"the run's id": loaded.run_id, "the run folder": loaded.run_dir, "the journal's path": str(path)}
    return list(disclosures(msgspec.to_builtins(loaded.config), places))
