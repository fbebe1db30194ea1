"""Taking an existing journal over, the same for every command that writes to one."""

from __future__ import annotations

from pathlib import Path

from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.clouds import Access, redactor_for
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.version import version
from rpd.journal.index import Index
from rpd.journal.store import Journal


def open_journal(path: Path, access: Access, command: str) -> Journal:
    """Lock, verify and repair it. The index remembers a record that it must still hold: a cut at the border of two
    records shows nowhere else. Raises JournalError."""
    return Journal.open(
        path,
        now=SystemClock().now,
        command=command,
        tool_version=version(),
        redactor=redactor_for(access),
        anchor=Index(state_home()).anchor(path),
    )
