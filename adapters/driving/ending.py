"""End a run from outside: ask a live engine, or replace a dead one."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from rpd.adapters.disposal.unrecorded import end_unrecorded, unwritable, words
from rpd.adapters.driving.resuming import resume_journal
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import leave_request, request_file
from rpd.adapters.local.patience import OWN_SECONDS, Patience
from rpd.adapters.report.ending import debt_lines
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.engine.ports import Request
from rpd.journal.errors import JournalLocked, JournalUnwritable
from rpd.journal.lock import Owner, holder
from rpd.journal.reader import read
from rpd.journal.records import Closed, Left, Record, Requested
from rpd.states.ports.exits import Exit
from rpd.states.shared.preserve import is_kept

ENGINE_SECONDS = 300.0
"""How long to wait for a live engine to obey before rpd reports that it has not."""
LOOK_SECONDS = 0.1


def end_run(path: Path, request: Request, *, as_json: bool) -> int:
    """Ask the engine that holds the lock, or take the lock and obey here. An engine that left before it obeyed, or that
    another engine replaced, may never have seen the request. Then begin again."""
    while True:
        owner = holder(path)
        if owner is None:
            try:
                patience = Patience(OWN_SECONDS)
                resume_journal(path, request.by, as_json=False, request=request, quiet=as_json, patience=patience)
            except JournalLocked:
                continue
            except JournalUnwritable as error:
                with contextlib.suppress(JournalLocked):  # an engine took the lock first: ask it
                    raise end_unrecorded(path, request, error, as_json=as_json) from error
                continue
            return report_run(path, as_json=as_json)
        last = read(path).records[-1]
        try:
            leave_request(path, request, epoch=last.epoch)
        except UserError as error:
            signal = f"kill -TERM {owner.pid}   on {owner.host} ends the engine"
            hint = f"{signal}; or mend that, then   {words(request, path.stem)}"
            raise unwritable(path, error.message, hint, as_json=as_json) from error
        output.note([f"asked the engine (pid {owner.pid} on {owner.host}) to {request.what}"])
        if not _wait_for_engine(path, last.epoch, owner):
            output.note(_why_it_waits(path, owner, words(request, path.stem)))
            return report_run(path, as_json=as_json)
        if _is_obeyed(read(path).records, request, last.seq):
            return report_run(path, as_json=as_json)


def _wait_for_engine(path: Path, epoch: int, owner: Owner) -> bool:
    """Wait for the owner of this epoch to leave; return whether it did. Do not wait for a suspended owner."""
    end = time.monotonic() + ENGINE_SECONDS
    while time.monotonic() < end and not _is_suspended(owner):
        if holder(path) is None or read(path).records[-1].epoch != epoch:
            return True
        time.sleep(LOOK_SECONDS)
    return False


def _is_suspended(owner: Owner) -> bool:
    """Whether the owner is suspended by Ctrl-Z or SIGSTOP. No, if the system does not say."""
    if owner.host != os.uname().nodename:
        return False
    try:
        status = Path(f"/proc/{owner.pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[:1] == ["T"]


def _why_it_waits(path: Path, owner: Owner, again: str) -> list[str]:
    pid = owner.pid
    if _is_suspended(owner):
        return [f"it is suspended:   kill -CONT {pid}   lets it go on and hear; or   kill -9 {pid}, then   {again}"]
    if not request_file(path).exists():
        return ["it has not finished yet; it goes on doing so"]
    return [f"it does not answer: end pid {pid} on {owner.host}, then   {again}"]


def _is_obeyed(records: list[Record], request: Request, since: int) -> bool:
    """Whether the run is over, or whether an engine took the request, left for a reason of its own, and explained
    it."""
    is_heard = False
    for record in records:
        match record.body:
            case Closed():
                return True
            case Requested(what=request.what, by=request.by) if record.seq > since:
                is_heard = True
            case Left() if is_heard:
                return True
            case _:
                pass
    return False


def report_run(path: Path, *, as_json: bool) -> int:
    """Report what the run owes. Exit code 8 if something computes against the person's will."""
    inspection = Inspection(read(path), SystemClock().now())
    if as_json:
        output.answer(inspection.document())
    else:
        output.note(debt_lines(inspection.facts, inspection.now))
    is_owed = inspection.facts.debts.compute and not is_kept(inspection.facts, inspection.now)
    return Exit.STILL_BILLING if is_owed else 0
