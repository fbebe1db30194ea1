"""`rpd resume`: take a journal over and go on. Other commands that drive an existing run come through here, too."""

from __future__ import annotations

from pathlib import Path

from rpd.adapters.access.gate import recorded_access
from rpd.adapters.access.judgement import way_out
from rpd.adapters.access.opening import open_journal
from rpd.adapters.cli import output
from rpd.adapters.cli.account import require_own_account
from rpd.adapters.cli.driving import drive_journal, left_late
from rpd.adapters.cli.runs import find_journal, unfinished
from rpd.adapters.cli.unrecorded import afterwards, unwritable
from rpd.adapters.forensics.inspection import facts_of
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.signals import Early, LeaveNow
from rpd.engine.ports import Request
from rpd.journal.errors import JournalDamaged, JournalTooNew, JournalUnwritable
from rpd.journal.reader import Reading, read
from rpd.journal.replay import fold


def resume_run(run: str | None, *, as_json: bool) -> int:
    """Drive an unfinished run to its end; a finished one is only reported."""
    journal = find_journal(run, only=unfinished, to_act=True)
    reading = read(journal)
    closed = fold(reading.records).closed if reading.damage is None else None
    if closed is not None:
        output.note([f"run {reading.records[0].run} is over: {closed.outcome}", f"why:     rpd inspect {journal}"])
        if as_json:
            from rpd.adapters.forensics.inspection import Inspection

            output.answer({**Inspection(reading, SystemClock().now()).document(), "ended_with": closed.exit_code})
        return closed.exit_code
    try:
        return take_over(journal, "rpd resume", as_json=as_json)
    except JournalUnwritable as error:
        run_id = reading.records[0].run
        hint = f"{afterwards(error, f'rpd resume {run_id}')}; or   rpd cancel {run_id}   stops its pod now"
        raise unwritable(journal, error.message, hint, as_json=as_json) from error


def take_over(
    journal_path: Path,
    command: str,
    *,
    as_json: bool,
    request: Request | None = None,
    quiet: bool = False,
    patience: Patience | None = None,
) -> int:
    """Lock, repair, and drive; `request` is the first thing the loop hears. A command that only ends the run has
    `patience`. Raises JournalError, UserError."""
    reading = read(journal_path)
    require_driveable(reading, journal_path)
    access = recorded_access(journal_path)
    require_own_account(facts_of(reading), access, patience)
    early = Early()
    try:
        with early.signals():
            journal = open_journal(journal_path, access, command)
            return drive_journal(
                journal, access, as_json=as_json, request=request, quiet=quiet, patience=patience, early=early
            )
    except LeaveNow as leaving:  # pressed twice before the loop began, or when it was over
        return left_late(journal_path, leaving)


def require_driveable(reading: Reading, path: Path) -> None:
    """Pass when the journal can be driven at all. Raises JournalDamaged, JournalTooNew."""
    if reading.damage is not None:
        raise JournalDamaged(
            f"{path} is damaged at line {reading.damage.line} (byte {reading.damage.offset})",
            line=reading.damage.line,
            offset=reading.damage.offset,
            hint=way_out(path.stem),
        )
    if reading.too_new:
        raise JournalTooNew(f"{path} was written by a newer rpd", hint="upgrade rpd; inspect and gc work meanwhile")
    if reading.opened is None:
        raise JournalDamaged(f"{path} does not begin like a journal", line=1, offset=0, hint=way_out(path.stem))
