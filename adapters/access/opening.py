"""Take an existing journal over, in the same way for every command that writes to one."""

from __future__ import annotations

import shlex
from pathlib import Path

from rpd.adapters.access.clouds import Access, redactor_for
from rpd.adapters.access.gate import own_journal
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.version import version
from rpd.journal.errors import JournalNotOurs
from rpd.journal.index import Index
from rpd.journal.paths import original
from rpd.journal.store import Journal


def at_original(journal: Path, command: str) -> str:
    """The same command in the state home of this journal."""
    return f"RPD_HOME={shlex.quote(str(journal.parents[2]))} {command}"


def open_journal(path: Path, access: Access, command: str) -> Journal:
    """Lock, verify and repair the journal. The index remembers a record that it must still hold, because a cut between
    two records shows nowhere else. Raises JournalError; JournalNotOurs for a journal from elsewhere, and for a copy
    whose original is there and has the lock."""
    path, home = own_journal(path), state_home()
    first = original(path)
    if first is not None:
        raise JournalNotOurs(
            f"{path} is a copy of {first}; only the original is written and locked", hint=at_original(first, command)
        )
    return Journal.open(
        path,
        now=SystemClock().now,
        command=command,
        tool_version=version(),
        redactor=redactor_for(access),
        anchor=Index(home).anchor(path),
        home=home,
    )
