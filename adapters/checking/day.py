"""The limit of the day: no run begins that could bring the cost of this state home's runs of today above it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rpd.adapters.forensics.listing import all_rows
from rpd.adapters.forensics.row import RunRow
from rpd.adapters.local.dirs import private_folder
from rpd.engine.errors import UserError
from rpd.journal.errors import JournalError
from rpd.journal.reader import read
from rpd.states.ports.exits import Exit
from rpd.states.ports.job import Budget

LOCK_NAME = "day.lock"
LOCK_SECONDS = 60.0
"""How long to wait for other runs that are just beginning. Each holds the lock until its journal is made."""

_TRY_SECONDS = 0.05


@contextlib.contextmanager
def room_in_the_day(budget: Budget, asked: float | None, home: Path) -> Iterator[None]:
    """Check that this run has room, and keep all others from beginning until its journal, written inside, counts as
    well. `asked` (USD) wins over the budget's own limit. Raises UserError (exit code 7 if there is no room)."""
    limit = asked if asked is not None else budget.max_usd_per_day
    with _alone(home):
        if limit is not None:
            _check(budget, limit)
        yield


def _check(budget: Budget, limit: float) -> None:
    today = time.strftime("%Y-%m-%d", time.gmtime())
    rows = [row for row in all_rows() if (row.started or "").startswith(today)]
    spent = sum(max(0.0, row.cost_usd or 0.0) for row in rows)
    unknown = [row for row in rows if row.outcome is not None and not row.is_kept and row.cost_usd is None]
    pending = sum(_may_still_cost(row) for row in rows if row not in unknown)
    at_worst = sum(_may_still_cost(row) for row in unknown)
    most = budget.most_usd
    if spent + pending + at_worst + most <= limit:
        return
    others = f", those that are not over may still cost ${pending:.2f}" if pending else ""
    others += f", those of unknown cost at most ${at_worst:.2f}" if at_worst else ""
    raise UserError(
        f"runs of today (UTC) have cost ${spent:.2f}{others}, this one may cost ${most:.2f}: "
        f"above the day's ${limit:.2f}",
        hint="lower budget.max_usd, or raise --max-usd-per-day",
        exit_code=Exit.BUDGET,
        reason="day_budget",
    )


def _may_still_cost(row: RunRow) -> float:
    """The rest of the budget in USD, for a run that is not over, whose pod is kept up, or whose cost is not known."""
    is_settled = row.outcome is not None and not row.is_kept and row.cost_usd is not None
    if is_settled or row.journal is None:
        return 0.0
    try:
        opened = read(Path(row.journal)).opened
        budget = msgspec.convert(opened.config.get("budget", {}) if opened is not None else {}, Budget)
    except (JournalError, msgspec.ValidationError):
        budget = Budget()
    return max(0.0, budget.most_usd - (row.cost_usd or 0.0))


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the lock of this state home's day. Raises UserError if other runs hold it too long."""
    private_folder(home)
    try:
        handle = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UserError(f"cannot make {home / LOCK_NAME}: {error.strerror}") from error
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _is_taken(handle):
            if time.monotonic() > deadline:
                raise UserError(f"other runs have kept {home / LOCK_NAME} for {LOCK_SECONDS:.0f} s", reason="day_lock")
            time.sleep(_TRY_SECONDS)
        yield
    finally:
        os.close(handle)


def _is_taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise UserError(f"the file system of the state home cannot lock files: {error.strerror}") from error
    return True
