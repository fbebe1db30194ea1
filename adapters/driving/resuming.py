"""Resume a journal: drive its run on, for `rpd resume` and for every command that ends a run without an
engine."""

from __future__ import annotations

from pathlib import Path

from rpd.adapters.access.gate import recorded_access
from rpd.adapters.access.judgement import way_out
from rpd.adapters.access.opening import open_journal
from rpd.adapters.disposal.account import require_own_account
from rpd.adapters.driving.driving import drive_journal, held, left_late
from rpd.adapters.forensics.inspection import facts_of
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.signals import Early, LeaveNow
from rpd.engine.ports import Request
from rpd.journal.errors import JournalDamaged, JournalTooNew
from rpd.journal.reader import Reading, read


def resume_journal(
    journal_path: Path,
    command: str,
    *,
    as_json: bool,
    request: Request | None = None,
    quiet: bool = False,
    patience: Patience | None = None,
) -> int:
    """Lock, repair, and drive. The loop takes `request` first. A command that only ends the run passes `patience`.
    Raises JournalError, UserError."""
    reading = read(journal_path)
    require_driveable(reading, journal_path)
    access = recorded_access(journal_path)
    require_own_account(facts_of(reading), access, patience)
    early = Early()
    try:
        with early.signals():
            journal = open_journal(journal_path, access, command)
            with held(journal):
                return drive_journal(
                    journal, access, as_json=as_json, request=request, quiet=quiet, patience=patience, early=early
                )
    except LeaveNow as leaving:  # Ctrl-C was pressed twice before the loop began, or after it
        return left_late(journal_path, leaving)


def require_driveable(reading: Reading, path: Path) -> None:
    """Pass if the journal can be driven at all. Raises JournalDamaged, JournalTooNew."""
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
