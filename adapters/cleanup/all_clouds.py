"""What `rpd gc` does in all clouds at once, and what is left when it ends."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.cleanup.accounts import Account
from rpd.adapters.cleanup.cleanup import Cleanup, cleanups_of
from rpd.adapters.cleanup.copies import copy_row, originals
from rpd.adapters.cleanup.foreign import count_not_adopted
from rpd.adapters.cleanup.rows import GcRow
from rpd.adapters.cleanup.scope import CleanupScope
from rpd.adapters.cleanup.stopped import Stopped
from rpd.adapters.disposal.suspects import understood
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.side_by_side import side_by_side
from rpd.adapters.local.signals import LeaveNow, signal_requests
from rpd.journal.index import Entry
from rpd.states.ports.exits import Exit


class CleanedUp(msgspec.Struct, frozen=True):
    """What was planned and done. `meant` are the runs that were asked for, `leaving` the signal that ended the command
    early. `exit_code` is 8 while something may compute against the person's will."""

    meant: list[Entry]
    rows: list[GcRow]
    foreign: list[dict[str, Any]]
    stopped: list[Stopped]
    accounts: list[Account]
    leaving: LeaveNow | None
    exit_code: int


def clean_up(everything: list[Entry], wanted: CleanupScope, *, act: bool, seconds: float) -> CleanedUp:
    """Plan for all runs of the state home, and act on the plan with `act`. rpd leaves a cloud that does not answer for
    `seconds`. The first signal ends it."""
    meant = [understood(entry) for entry in wanted.of(everything)]
    copies = originals(meant)
    command = Patience()
    with signal_requests(command.leave_on):
        cleanups = cleanups_of([entry for entry in meant if entry.journal not in copies], seconds, command)
        deeds = [
            functools.partial(each.act, everything, wanted) if act else functools.partial(each.look, everything)
            for each in cleanups
        ]
        works = [each.as_work(deed) for each, deed in zip(cleanups, deeds, strict=True)]
        side_by_side(works, command)
    for each in cleanups:
        each.plan(everything)
    rows = _rows(meant, copies, cleanups)
    foreign = [pod for each in cleanups for pod in each.foreign]
    stopped = sorted((row for each in cleanups for row in each.stopped), key=lambda row: -row.age_seconds)
    failed = 0
    if act:
        failed += sum(row.is_wanted(wanted) and not row.is_released for row in stopped)
        failed += count_not_adopted(wanted.adopt, foreign)
        _tell_spared(rows, command)
    accounts = [each.account for each in cleanups if each.account is not None]
    is_all_done = all(row.is_done or row.is_spared for row in rows) and not failed
    code = _exit_code(accounts, command, is_all_done=is_all_done)
    return CleanedUp(meant, rows, foreign, stopped, accounts, command.leaving, code)


def _rows(meant: list[Entry], copies: dict[str, Path], cleanups: list[Cleanup]) -> list[GcRow]:
    """One row for each run with something to do, in the order of the runs."""
    rows = [row for entry in meant if (row := copy_row(entry, copies)) is not None]
    rows += [row for each in cleanups for row in each.rows]
    order = {entry.run_id: at for at, entry in enumerate(meant)}
    return sorted(rows, key=lambda row: order[row.run_id])


def _exit_code(accounts: list[Account], command: Patience, *, is_all_done: bool) -> int:
    """8 if a cloud did not answer although its key is at hand, unless a signal ended the command."""
    if command.leaving is not None:
        return command.leaving.exit_code if is_all_done else Exit.STILL_BILLING
    if any(account.problem and account.access is not None for account in accounts):
        return Exit.STILL_BILLING
    return 0 if is_all_done else Exit.STILL_BILLING


def _tell_spared(rows: list[GcRow], command: Patience) -> None:
    for row in rows:
        if row.result != "planned":
            continue
        if row.is_spared:
            row.result = row.plan.replace("spare", "spared", 1)
        elif command.leaving is not None:
            row.result, row.next = f"{command.leaving.why} before it was done", "rpd gc --yes"
