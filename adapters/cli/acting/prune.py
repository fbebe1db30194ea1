"""`rpd runs prune`: forget runs that are over and owe nothing."""

from __future__ import annotations

import time
from collections import Counter

import msgspec

from rpd.adapters.cleanup.pruning import forget, why_kept
from rpd.adapters.forensics.chosen import Chosen
from rpd.adapters.local.dirs import state_home
from rpd.adapters.report.words import one_line, plural
from rpd.adapters.terminal import output
from rpd.journal.index import Index

DEFAULT_SECONDS = 30 * 86400.0
"""By default, the age from which on rpd forgets a run, counted from its beginning."""


def prune(chosen: Chosen, *, act: bool, as_json: bool) -> int:
    """Exit code 0. rpd never forgets a run that is unfinished, owes something, is driven, or is in trouble."""
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
    gone = [entry for entry in old if act and forget(entry, owed, index, home)]
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
