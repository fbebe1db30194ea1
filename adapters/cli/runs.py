"""From what a person typed to the one journal that is meant."""

from __future__ import annotations

import os
from pathlib import Path

from rpd.adapters.cli import output
from rpd.adapters.local.dirs import label_of, state_home
from rpd.adapters.local.gate import journal_at, own_journal
from rpd.engine.errors import UserError
from rpd.journal.index import Entry, Index


def find_journal(run: str | None, *, only_unfinished: bool = False, to_act: bool = False) -> Path:
    """The canonical journal of a path, a run id, a unique prefix, or a workflow (its newest run).

    Without a name: the only unfinished run where `only_unfinished`, else the newest. Raises UserError (exit code 2)
    when that is not one run; with `to_act`, JournalNotOurs when it is not one of this state home.
    """
    home = state_home()
    if run is not None and (os.sep in run or Path(run).exists()):
        path = journal_at(Path(run).absolute())
        return own_journal(path) if to_act else path
    index = Index(home)
    if run is not None:
        found = index.find(run) or index.find(label_of(run))  # a long name was cut when its run was named
        note_strays(index)
        return Path(_pick(found, run).journal)
    entries = index.entries()
    note_strays(index)
    if only_unfinished:
        entries = [entry for entry in entries if entry.outcome is None]
        if not entries:
            raise UserError("there is no unfinished run", hint="rpd inspect   shows the newest run")
        if len(entries) > 1:
            names = "\n         ".join(f"{entry.run_id}  ({entry.state})" for entry in entries)
            raise UserError(f"{len(entries)} runs are unfinished; name one:\n         {names}")
    if not entries:
        raise UserError(f"there are no runs in {home}", hint="rpd run FILE")
    return Path(entries[0].journal)


def note_strays(index: Index) -> None:
    """Say which files among the journals were passed over."""
    for path in index.strays:
        shown = str(path).encode(errors="backslashreplace").decode()
        output.note([f"warning: {shown} is no journal of ours and is passed over: its name is no UTF-8 text"])


def _pick(found: list[Entry], name: str) -> Entry:
    if not found:
        raise UserError(f"no run is named {name!r}", hint="rpd inspect   shows the newest run")
    exact = [entry for entry in found if entry.run_id == name]
    workflow = [entry for entry in found if entry.workflow == name]
    if exact:
        return exact[0]
    if workflow:
        return workflow[0]
    if len(found) > 1:
        names = "\n         ".join(entry.run_id for entry in found[:10])
        raise UserError(f"{name!r} could be any of these:\n         {names}")
    return found[0]
