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
    """End a run. Exit code 0 when nothing of it computes any more, 8 when something still may. With `delete`, rpd
    deletes the pod's disk once all results are here, and keeps it otherwise. With `delete` and `yes`, or if a person
    agrees to lose a pod that is already stopped, rpd deletes the disk in any case."""
    path = find_journal(run, only=unfinished, ends=True, to_act=True)
    reading = read(path)
    is_over = fold(reading.records).closed is not None
    if is_over and delete:
        return release_run(str(path), How("delete"), state_file=None, yes=yes, as_json=as_json)
    if is_over:
        output.note([f"run {path.stem} is over already"])
        return report_run(path, as_json=as_json)
    if not delete:
        return end_run(path, Request("cancel", "rpd cancel", {}), as_json=as_json)
    pod = facts_of(reading).pod if reading.verified else None
    if pod is not None and pod.released_as == "stop":  # no process starts it again to collect what is in it
        require_word(facts_of(reading), f"rpd cancel {path.stem} --delete", yes=yes)
        yes = True
    what = "release" if yes else "cancel"
    return end_run(path, Request(what, "rpd cancel", How("delete").detail), as_json=as_json)
