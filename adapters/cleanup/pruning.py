"""Which runs rpd must not forget, and how it forgets the others. Their journals go. Run folders with the results, and
the journal's copy in them, stay."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from rpd.adapters.forensics.timeline import wall_of
from rpd.adapters.local.control import request_file
from rpd.adapters.report.words import one_line
from rpd.adapters.terminal import output
from rpd.journal.disk import OsDisk
from rpd.journal.errors import JournalError
from rpd.journal.index import Entry, Index
from rpd.journal.lock import Lock, Owner, lock_path
from rpd.journal.paths import emergency_path
from rpd.journal.reader import read

REST_SECONDS = 3600.0
"""For this long after its last record rpd does not forget a run: only its journal identifies a late pod."""


def why_kept(entry: Entry, owed: Collection[str], home: Path) -> str | None:
    """Why rpd must not forget a run, or None if it may: only the journal knows what the run owes. `owed` are the names
    of pods that any run here owes."""
    if entry.problem:
        return f"whose journal is {entry.problem}"
    if entry.outcome is None:
        return "unfinished"
    if entry.debts:
        return "that owe a pod or keep a disk"
    if emergency_path(home, entry.run_id).exists():
        return "with records that their journal lacks"
    if entry.started[:10] == time.strftime("%Y-%m-%d", time.gmtime()):
        return "of today, which the limit of the day counts"
    updated = wall_of({"ts_utc": entry.updated})
    if updated is None or time.time() - updated < REST_SECONDS:
        return "that ended less than an hour ago"
    opened = read(Path(entry.journal)).opened
    if opened is None or any(opened.token in name for name in owed):
        return "whose pod another run has taken over"
    return None


def forget(entry: Entry, owed: Collection[str], index: Index, home: Path) -> bool:
    """Remove one journal and the files beside it, unless a process writes to it. The index forgets it first: the index
    would find a remaining journal again, but would look in vain for a removed one that it remembers."""
    path = Path(entry.journal)
    try:
        lock = Lock.take(OsDisk(), path, Owner.here("rpd runs prune"))
        try:
            if why_kept(index.look(path), owed, home) is not None:
                return False
            index.forget(entry.run_id)
            for file in (path, request_file(path), lock_path(path)):
                file.unlink(missing_ok=True)
        finally:
            lock.release()
    except (OSError, JournalError) as error:
        output.note([one_line(f"{entry.run_id} is not forgotten: {error}")])
        return False
    return True
