"""Runs whose journal here is a copy: a state home was copied, and its original is still on this machine. The original
speaks for the run, and its lock is the run's lock. Nothing acts on the copy. Once the original is gone, the copy is the
journal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rpd.adapters.access.opening import at_original
from rpd.adapters.cleanup.rows import GcRow
from rpd.adapters.disposal.suspects import original_of, owes_compute
from rpd.journal.index import Entry, summary
from rpd.journal.lock import holder


def originals(entries: Sequence[Entry]) -> dict[str, Path]:
    """The originals by the path of the copy, for copies that owe something or make no sense."""
    found = {}
    for entry in entries:
        if entry.is_open or entry.problem:
            first = original_of(Path(entry.journal))
            if first is not None:
                found[entry.journal] = first
    return found


def copy_row(entry: Entry, copies: dict[str, Path]) -> GcRow | None:
    """The row of gc for a copy that says that something computes."""
    first = copies.get(entry.journal)
    if first is None or not owes_compute(entry):
        return None
    row = GcRow(entry.run_id, entry.journal, entry.state, "")
    there, owner = summary(first), holder(first)
    if owner is not None:
        row.plan = f"spare: a copy; pid {owner.pid} on {owner.host} drives its original {first}"
        row.is_spared = True
    elif owes_compute(there) or there.problem:
        row.plan = f"not this one's to release: a copy of {first}, which still owes it"
        row.usd_per_hour = sum(debt.usd_per_hour or 0.0 for debt in there.debts if debt.kind == "compute")
        row.next = at_original(first, "rpd gc --yes")
    else:
        row.plan, row.is_done = f"nothing: a copy of {first}, which has given back all that computed", True
    row.result = row.plan
    return row
