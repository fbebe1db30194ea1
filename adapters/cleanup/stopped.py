"""Stopped pods of this state home's runs: their cost, their age, and their release."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.cleanup.scope import CleanupScope
from rpd.adapters.disposal.kept import release_kept
from rpd.adapters.disposal.losses import losses
from rpd.adapters.forensics.inspection import facts_of
from rpd.adapters.local.own_log import keep_trace
from rpd.adapters.local.patience import Patience
from rpd.adapters.report.words import duration, money
from rpd.engine.errors import RpdError
from rpd.journal.errors import JournalError
from rpd.journal.index import Entry
from rpd.journal.reader import read
from rpd.states.policy import cost

IDLE_SECONDS = 30 * 86400.0
"""A paused pod that is unused for longer costs more than the minutes that it would save."""


class Stopped(msgspec.Struct):
    """One stopped pod that a run keeps. Money is in USD. `age_seconds` counts since the last record of the run. If the
    run is not over, its results are still to be collected. If `holds_results` is set, uncollected results are on the
    pod, and rpd deletes it only if a person names it."""

    run_id: str
    workflow: str
    journal: str
    name: str
    usd_per_month: float
    age_seconds: float
    is_over: bool
    holds_results: bool = False
    result: str | None = None
    is_released: bool = False

    def is_wanted(self, wanted: CleanupScope) -> bool:
        """Whether a person asked for its end."""
        if not self.is_over or self.holds_results:
            return False
        if wanted.older_than_seconds is not None:
            return self.age_seconds >= wanted.older_than_seconds
        return wanted.stopped

    def document(self) -> dict[str, Any]:
        """The row as plain data."""
        return {**msgspec.to_builtins(self), "usd_per_day": round(self.usd_per_month * 12 / 365, 2)}


def stopped_rows(entries: Sequence[Entry]) -> list[Stopped]:
    """All stopped pods, the oldest first. A pod that may compute again does not count as stopped."""
    rows = []
    for entry in entries:
        computing = {debt.key for debt in entry.debts if debt.kind == "compute"}
        for debt in entry.debts:
            if debt.kind == "storage" and debt.key not in computing:
                monthly = round((debt.usd_per_hour or 0.0) * cost.HOURS_PER_MONTH, 2)
                is_over = entry.outcome is not None and not entry.problem
                age = max(0.0, time.time() - _wall(entry.updated))
                holds = is_over and _holds_results(entry)
                rows.append(
                    Stopped(entry.run_id, entry.workflow, entry.journal, debt.key, monthly, age, is_over, holds)
                )
    return sorted(rows, key=lambda row: -row.age_seconds)


def _holds_results(entry: Entry) -> bool:
    """Whether some data of the run exists only on the pod."""
    try:
        return bool(losses(facts_of(read(Path(entry.journal)))))
    except JournalError:
        return True


def release_stopped(row: Stopped, patience: Patience) -> None:
    """Delete the pod and prove it. A failure is reported, and does not stop the others."""
    try:
        row.result = "; ".join(release_kept(Path(row.journal), "rpd gc", patience)) or "nothing was left of it"
        row.is_released = True
    except (RpdError, JournalError) as error:
        row.result = f"failed: {error.message}"
    except Exception as error:  # a fault of this program at one journal does not end the command
        keep_trace(error, f"rpd gc at the stopped pod of run {row.run_id}")
        row.result = f"failed: internal error: {error}"


def stopped_page(rows: list[Stopped], plan: CleanupScope | None = None) -> list[str]:
    """Lines about the pods, and the total. A line says so if the `plan` would delete its pod."""
    lines = []
    for row in rows:
        daily = money(row.usd_per_month * 12 / 365)
        lines.append(
            f"stopped: {row.name} of {row.run_id}, {duration(row.age_seconds)} ago, "
            f"{daily} a day, {money(row.usd_per_month)} a month"
        )
        if row.result is not None:
            lines.append(f"    {row.result}")
        elif not row.is_over:
            lines.append(f"    its results are not collected: rpd resume {row.run_id}")
        elif row.holds_results:
            lines.append(f"    holds results that could not be fetched: rpd release {row.run_id} --delete   ends it")
        elif plan is not None and row.is_wanted(plan):
            lines.append("    delete, with its disk")
        else:
            idle = "; unused for so long, recycle does not pay" if row.age_seconds > IDLE_SECONDS else ""
            lines.append(f"    rpd release {row.run_id} --delete{idle}")
    left = [row for row in rows if not row.is_released]
    if left:
        monthly = sum(row.usd_per_month for row in left)
        total = f"total:   {len(left)} stopped, {money(monthly * 12 / 365)} a day, {money(monthly)} a month"
        could_go = any(row.is_over and not row.holds_results for row in left)
        is_meant = plan is not None and any(row.is_wanted(plan) for row in left)
        advice = "; rpd gc --yes --stopped (or --older-than 30d) deletes those of finished runs"
        lines.append(total + (advice if could_go and not is_meant else ""))
    return lines


def _wall(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return time.time()
