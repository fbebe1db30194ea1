"""Whether a journal can be believed: one judgement for every command that reads it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rpd.adapters.local.dirs import state_home
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalDamaged
from rpd.journal.index import Index
from rpd.journal.reader import Reading, holds, read


def judged(path: Path) -> Reading:
    """A journal as far as it can be believed. If it is intact and lacks a record that was seen in it before, it was
    cut. That is damage like any other. Raises JournalMissing, JournalNotOurs."""
    anchor = _anchor(path)  # read it first: a live engine may add to both meanwhile
    reading = read(path)
    if reading.damage is not None or anchor is None or holds(reading.records, *anchor):
        return reading
    count = len(reading.records)
    text = f"journal cut after line {count}: record {anchor[0]} was seen here earlier and is missing now"
    cut = JournalDamaged(text, line=count + 1, offset=reading.good_bytes, hint=way_out(path.stem))
    return msgspec.structs.replace(reading, damage=cut, verified=False)


def way_out(run_id: str) -> str:
    """What to type for a journal that cannot be driven."""
    return f"rpd salvage {run_id}   releases its pods and ends the run"


def _anchor(path: Path) -> tuple[int, str] | None:
    try:
        return Index(state_home()).anchor(path)
    except UserError:  # without a state home nothing was seen before
        return None
