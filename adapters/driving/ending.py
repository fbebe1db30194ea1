"""Ending a run from outside: a live engine is asked, a dead one is replaced."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from rpd.adapters.disposal.unrecorded import end_unrecorded, unwritable, words
from rpd.adapters.driving.takeover import take_over
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
"""How long a live engine may take to obey before we say that it has not yet."""
LOOK_SECONDS = 0.1


def end_run(path: Path, request: Request, *, as_json: bool) -> int:
    """Ask the engine that holds the lock, or take the lock and obey here. An engine that went away without having
    obeyed, or that another one replaced, may never have seen the request: then all of it again."""
    while True:
        owner = holder(path)
        if owner is None:
            try:
                patience = Patience(OWN_SECONDS)
                take_over(path, request.by, as_json=False, request=request, quiet=as_json, patience=patience)
            except JournalLocked:
                continue
            except JournalUnwritable as error:
                with contextlib.suppress(JournalLocked):  # an engine was faster: it is asked
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
    """Whether the owner of this epoch is gone, waited for. One that is suspended is not waited for."""
    end = time.monotonic() + ENGINE_SECONDS
    while time.monotonic() < end and not _is_suspended(owner):
        if holder(path) is None or read(path).records[-1].epoch != epoch:
            return True
        time.sleep(LOOK_SECONDS)
    return False


def _is_suspended(owner: Owner) -> bool:
    """Whether somebody stopped it with Ctrl-Z, or by SIGSTOP; where the system does not say so, no."""
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
    """Whether the run is over, or an engine heard the request and left on its own account, which it explained."""
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
    """Say what the run owes. Exit code 8 when something computes against anybody's will."""
    inspection = Inspection(read(path), SystemClock().now())
    if as_json:
        output.answer(inspection.document())
    else:
        output.note(debt_lines(inspection.facts, inspection.now))
    is_owed = inspection.facts.debts.compute and not is_kept(inspection.facts, inspection.now)
    return Exit.STILL_BILLING if is_owed else 0
