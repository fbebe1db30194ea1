"""Find the one run that a person means: its journal, or everything that it has left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rpd.adapters.access.gate import journal_at, own_journal
from rpd.adapters.forensics.run import LoadedRun, holds_run, load
from rpd.adapters.local.dirs import label_of, state_home
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalError
from rpd.journal.index import Entry, Index
from rpd.journal.paths import leads_to_journal
from rpd.states.ports.names import State


def find_journal(
    run: str | None,
    *,
    only: Callable[[Entry], bool] | None = None,
    ends: bool = False,
    to_act: bool = False,
) -> Path:
    """The canonical journal of a path, a run id, a unique prefix, or a workflow (its newest run).

    Without a name, it means the one run for which `only` holds, else the newest run. For a command that `ends` a run, a
    workflow's name works the same way: it never means one of several. Raises UserError (exit code 2) if the word does
    not mean exactly one run. With `to_act`, raises JournalNotOurs if the journal is not one of this state home.
    """
    home = state_home()
    if run is not None and means_path(run, leads_to_journal):
        path = journal_at(Path(run).absolute())
        return own_journal(path) if to_act else path
    index = Index(home)
    if run is not None:
        found = index.find(run) or index.find(label_of(run))  # rpd cut a long name when it named the run
        note_strays(index)
        return Path(_pick(found, run, only if ends else None).journal)
    entries = index.entries()
    note_strays(index)
    if not entries:
        raise UserError(f"there are no runs in {home}", hint="rpd run FILE")
    meant = _only_one(entries, only)
    if meant is None and only in (unfinished, damaged):
        kind = "unfinished run" if only is unfinished else "run with a damaged journal"
        raise UserError(f"there is no {kind}", hint="rpd inspect   shows the newest run")
    return Path((meant or entries[0]).journal)


def loaded_run(run: str | None) -> LoadedRun:
    """The run a person means: a folder, a manifest, a journal, or, as everywhere, a run id, prefix or workflow. Raises
    UserError."""
    if run is not None and means_path(run, holds_run) and Path(run).exists():
        try:
            return load(Path(run))
        except JournalError as error:
            raise UserError(error.message) from error
    return load(find_journal(run))


def manifest_beside(loaded: LoadedRun) -> dict[str, Any] | None:
    """The manifest among the files of a run that was named by its journal."""
    folder = loaded.files_folder()
    if folder is None or not folder.is_dir():
        return None
    try:
        return load(folder).manifest
    except (UserError, JournalError):
        return None


def find_run_with_pod(run: str | None) -> Path:
    """The same for a command that acts in a pod. The word may also be the id or the name of a pod that a journal here
    knows. Without a name, it means the one run whose pod computes, else the newest run."""
    if run is None or means_path(run, leads_to_journal):
        return find_journal(run, only=computing, to_act=True)
    index = Index(state_home())
    if not (index.find(run) or index.find(label_of(run))) and (found := _run_of_pod(index, run)) is not None:
        return found
    try:
        return find_journal(run, to_act=True)
    except UserError as error:
        if not error.message.startswith("no run is named"):
            raise
        raise _not_ours(run) from error


def _not_ours(word: str) -> UserError:
    from rpd.adapters.reaching.pod_of_run import stranger

    seen = stranger(word)
    text = f"no run or pod that is ours is named {word!r}"
    if seen is not None:
        text = (
            f"pod {word} ({seen}) is in the account, and no journal here knows it: it belongs to somebody else, or to "
        )
        text += "another machine of yours"
    hint = "rpd runs   lists the runs; rpd gc lists the pods of others"
    return UserError(f"{text}; rpd goes into no such pod", reason="not_ours", hint=hint)


def _run_of_pod(index: Index, word: str) -> Path | None:
    """The newest run that has a pod of this id or name."""
    from rpd.adapters.forensics.inspection import facts_of
    from rpd.journal.reader import read

    for entry in index.entries():
        try:
            pods = facts_of(read(Path(entry.journal))).pods
        except (JournalError, OSError):
            continue
        if word in pods or any(pod.id == word for pod in pods.values()):
            return Path(entry.journal)
    return None


def means_path(run: str, holds: Callable[[Path], bool]) -> bool:
    """Whether a word for a run is a path. With a separator it always is (`./train`). Without one, it is a path if
    `holds` finds a run there, or if no run here has that name. A folder with the same name as a workflow is not a
    path."""
    if os.sep in run:
        return True
    path = Path(run)
    if not path.exists() or holds(path):
        return path.exists()
    index = Index(state_home())
    return not (index.find(run) or index.find(label_of(run)))


def unfinished(entry: Entry) -> bool:
    """The run is not over."""
    return entry.outcome is None


def owing(entry: Entry) -> bool:
    """The run is not over, or keeps something that costs money."""
    return entry.is_open


def computing(entry: Entry) -> bool:
    """A pod of the run computes, as far as its journal knows."""
    return any(debt.kind == "compute" for debt in entry.debts)


def damaged(entry: Entry) -> bool:
    """Something is left to salvage."""
    from rpd.adapters.disposal.suspects import is_damaged  # most commands start faster without it

    return is_damaged(entry)


def note_strays(index: Index) -> None:
    """Report which files among the journals were skipped."""
    for path in index.strays:
        shown = str(path).encode(errors="backslashreplace").decode()
        output.note([f"warning: {shown} is skipped: its name is not UTF-8, so it is not a journal of rpd"])


def _only_one(entries: list[Entry], only: Callable[[Entry], bool] | None) -> Entry | None:
    """The one run that is meant, or None. Raises UserError if several match; rpd does not guess."""
    meant = [entry for entry in entries if only is not None and only(entry)]
    if len(meant) > 1:
        names = "\n         ".join(f"{entry.run_id}  ({_standing(entry)})" for entry in meant)
        what = "are unfinished" if all(map(unfinished, meant)) else "are unfinished or keep a disk"
        what = "have a damaged journal" if only is damaged else what
        what = "have a pod that computes" if only is computing else what
        raise UserError(f"{len(meant)} runs {what}; name one:\n         {names}", reason="several_runs")
    return meant[0] if meant else None


def _standing(entry: Entry) -> str:
    if entry.outcome is not None:
        return f"{entry.outcome}; keeps a disk" if entry.debts else entry.outcome
    return entry.state or State.VALIDATE


def _pick(found: list[Entry], name: str, only: Callable[[Entry], bool] | None) -> Entry:
    if not found:
        raise UserError(f"no run is named {name!r}", hint="rpd inspect   shows the newest run")
    exact = [entry for entry in found if entry.run_id == name]
    workflow = [entry for entry in found if entry.workflow == name]
    if exact:
        return exact[0]
    if workflow:
        return _only_one(workflow, only) or workflow[0]
    if len(found) > 1:
        names = "\n         ".join(entry.run_id for entry in found[:10])
        raise UserError(f"{name!r} could be any of these:\n         {names}")
    return found[0]
