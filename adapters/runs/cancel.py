"""`rpd cancel`: end a run and give its pod back."""

from __future__ import annotations

from rpd.adapters.disposal.losses import require_word
from rpd.adapters.driving.ending import end_run, report_run
from rpd.adapters.forensics.inspection import facts_of
from rpd.adapters.runs.finding import find_journal, unfinished
from rpd.adapters.runs.release import How, release_run
from rpd.adapters.terminal import output
from rpd.engine.ports import Request
from rpd.journal.reader import read
from rpd.journal.replay import fold


def cancel_run(run: str | None, *, delete: bool, yes: bool, as_json: bool) -> int:
    """End a run. Exit code 0 when nothing of it computes any more. With `delete`, rpd deletes the pod's disk once all
    results are here, and keeps it otherwise. With `yes`, or if a person agrees to lose a pod that is already stopped,
    rpd deletes the disk in any case."""
    if not delete:
        return _end(run, as_json=as_json)
    path = find_journal(run, only=unfinished, ends=True, to_act=True)
    if fold(read(path).records).closed is not None:
        return release_run(str(path), How("delete"), state_file=None, yes=yes, as_json=as_json)
    reading = read(path)
    pod = facts_of(reading).pod if reading.verified else None
    if pod is not None and pod.released_as == "stop":  # no process starts it again to collect what is in it
        require_word(facts_of(reading), f"rpd cancel {path.stem} --delete", yes=yes)
        yes = True
    what = "release" if yes else "cancel"
    return end_run(path, Request(what, "rpd cancel", How("delete").detail), as_json=as_json)


def _end(run: str | None, *, as_json: bool) -> int:
    """Exit code 0 when nothing computes any more, 8 when something still may."""
    path = find_journal(run, only=unfinished, ends=True, to_act=True)
    if fold(read(path).records).closed is not None:
        output.note([f"run {path.stem} is over already"])
        return report_run(path, as_json=as_json)
    return end_run(path, Request("cancel", "rpd cancel", {}), as_json=as_json)
