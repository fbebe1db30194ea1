"""`rpd inspect --verify`: whether a journal is whole, by its chain and by what was seen of it before."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rpd.adapters.access.gate import run_folder
from rpd.adapters.access.judgement import way_out
from rpd.adapters.local.dirs import state_home
from rpd.adapters.report.words import one_line, plural
from rpd.adapters.terminal import output
from rpd.journal.index import Index
from rpd.journal.paths import EVENTS_NAME
from rpd.journal.reader import Reading, holds, read, read_bytes
from rpd.states.ports.exits import Exit


class Findings(msgspec.Struct, frozen=True):
    """The result of checking every byte. `lost` is a record that was seen here once and is missing now. `events` says
    what the run folder's `events.jsonl` is: "same" (the very file), "copy" (a true one, perhaps shorter), "other", or
    "none"."""

    damage: str | None
    lost: int | None
    events: str

    @property
    def is_whole(self) -> bool:
        """No acknowledged record is missing or changed."""
        return self.damage is None and self.lost is None


def verify_journal(path: Path, *, as_json: bool) -> int:
    """Exit code 0 when the journal is whole, 9 when not. An unfinished last line is no damage: it was never
    acknowledged."""
    anchor = Index(state_home()).anchor(path)  # read it first: a live engine may add to both meanwhile
    reading = read(path)
    lost = anchor[0] if anchor is not None and reading.damage is None and not holds(reading.records, *anchor) else None
    damage = reading.damage.message if reading.damage else None
    if damage is None and reading.opened is None:
        damage = "the journal holds no run"
    found = Findings(damage, lost, _events(path, reading))
    if as_json:
        head = {"seq": reading.head[0], "z": reading.head[1]} if reading.head is not None else None
        output.answer(
            {
                "schema": "rpd.verify/1",
                "run_id": reading.records[0].run if reading.records else None,
                "journal": str(path),
                "verified": found.is_whole,
                "records": len(reading.records),
                "head": head,
                "torn_bytes": reading.torn_bytes,
                "too_new": reading.too_new,
                **msgspec.to_builtins(found),
            }
        )
    else:
        output.text(one_line(line) for line in _lines(path, reading, found))
    return Exit.DONE if found.is_whole else Exit.JOURNAL


def _lines(path: Path, reading: Reading, found: Findings) -> list[str]:
    lines = [f"journal  {path}"]
    if found.damage is not None:
        lines.append(f"DAMAGED  {found.damage}; good before it: {plural(len(reading.records), 'record')}")
        lines.append(f"         {way_out(path.stem)}")
    elif found.lost is not None:
        lines.append(f"CUT      record {found.lost} was seen here earlier and is missing now")
        lines.append(f"         {way_out(path.stem)}")
    else:
        lines.append(f"verified {plural(len(reading.records), 'record')}, chain intact")
    if reading.head is not None:
        lines.append(f"head     record {reading.head[0]}, {reading.head[1]}")
    if reading.torn_bytes:
        lines.append(f"tail     {reading.torn_bytes} bytes of an unfinished line, never acknowledged")
    words = {
        "same": "the run folder's events.jsonl is the same file",
        "copy": "the run folder's events.jsonl is a true copy",
        "other": "the run folder's events.jsonl holds something else",
        "none": "the run folder has no events.jsonl",
    }
    return [*lines, f"events   {words[found.events]}"]


def _events(path: Path, reading: Reading) -> str:
    if reading.opened is None:
        return "none"
    folder = run_folder(path, reading.opened)
    if folder is None:
        return "none"
    events = folder / EVENTS_NAME
    try:
        if events.samefile(path):
            return "same"
        ours, theirs = read_bytes(path), read_bytes(events)
    except (OSError, ValueError):
        return "none"
    return "copy" if theirs and ours.startswith(theirs) else "other"
