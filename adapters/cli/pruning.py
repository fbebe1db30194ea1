"""`rpd runs prune`: forget runs that are over and owe nothing. Their journals go; run folders with the results, and the
journal's copy in them, stay where they are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import msgspec

from rpd.adapters.cli import output
from rpd.adapters.cli.listing import Chosen
from rpd.adapters.forensics.timeline import wall_of
from rpd.adapters.local.control import request_file
from rpd.adapters.local.dirs import state_home
from rpd.adapters.report.words import one_line, plural
from rpd.journal.disk import OsDisk
from rpd.journal.errors import JournalError
from rpd.journal.index import Entry, Index
from rpd.journal.lock import Lock, Owner, lock_path
from rpd.journal.paths import emergency_path
from rpd.journal.reader import read

DEFAULT_SECONDS = 30 * 86400.0
"""How long ago a run has begun that is forgotten where nobody says otherwise."""
REST_SECONDS = 3600.0
"""For so long after its last record a run is not forgotten: a pod that turns up late is known by its journal alone."""


def prune(chosen: Chosen, *, act: bool, as_json: bool) -> int:
    """Exit code 0. What is unfinished, owes, is driven, or is in trouble is never forgotten."""
    if chosen.before is None and chosen.since is None:
        chosen = msgspec.structs.replace(chosen, before=time.time() - DEFAULT_SECONDS)
    home = state_home()
    index = Index(home)
    everything = index.entries()
    owed = {debt.key for entry in everything for debt in entry.debts}
    meant = [entry for entry in everything if chosen.holds(entry.workflow, entry.outcome, entry.started)]
    reasons = {entry.run_id: why_kept(entry, owed, home) for entry in meant}
    kept = Counter(why for why in reasons.values() if why is not None)
    old = [entry for entry in meant if reasons[entry.run_id] is None]
    gone = [entry for entry in old if act and _forget(entry, owed, index, home)]
    if as_json:
        runs = [{"run_id": entry.run_id, "journal": entry.journal, "is_gone": entry in gone} for entry in old]
        output.answer({"schema": "rpd.prune/1", "acted": act, "runs": runs, "kept": dict(kept)})
        return 0
    output.text(
        [one_line(f"{entry.run_id}  {entry.outcome}, {entry.started[:10]}") for entry in (gone if act else old)]
    )
    output.text([f"kept: {plural(count, 'run')}, {why}" for why, count in kept.items()])
    if act:
        output.text([f"{plural(len(gone), 'run')} forgotten; run folders stay"])
    elif old:
        output.text([f"{plural(len(old), 'run')} would be forgotten; nothing was done, --yes acts"])
    else:
        output.text(["nothing to forget"])
    return 0


def why_kept(entry: Entry, owed: Collection[str], home: Path) -> str | None:
    """Why a run must not be forgotten, None where it may be: what a journal owes is known nowhere else. `owed` are the
    names of pods that any run here owes."""
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


def _forget(entry: Entry, owed: Collection[str], index: Index, home: Path) -> bool:
    """Remove one journal and what stands beside it, unless somebody writes to it. The index forgets it first: a journal
    that is still there is found again, and one that is gone and remembered would be looked for."""
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
