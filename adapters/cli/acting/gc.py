"""`rpd gc`: close every open compute debt that is provably ours. It plans first; `--yes` acts."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.adapters.cleanup.accounts import Account, key_of
from rpd.adapters.cleanup.all_clouds import clean_up
from rpd.adapters.cleanup.foreign import foreign_page
from rpd.adapters.cleanup.rows import GcRow
from rpd.adapters.cleanup.scope import CleanupScope
from rpd.adapters.cleanup.stopped import Stopped, stopped_page
from rpd.adapters.disposal.suspects import AT_REST
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import ANSWER_SECONDS
from rpd.adapters.reaching.tidying import stale_tunnels, tidy
from rpd.adapters.report.words import money, one_line, rate
from rpd.adapters.runs.finding import note_strays
from rpd.adapters.terminal import output
from rpd.journal.index import Entry, Index


def collect_garbage(wanted: CleanupScope, *, act: bool, as_json: bool, seconds: float = ANSWER_SECONDS) -> int:
    """Exit code 8 while a spared job is alive, a debt is open, or a cloud was not reached although its key is at hand;
    else 0. rpd leaves a cloud that does not answer for `seconds`. The first signal ends the command (130 or 143 if
    nothing is owed)."""
    home = state_home()
    index = Index(home)
    everything = index.entries()
    note_strays(index)
    done = clean_up(everything, wanted, act=act, seconds=seconds)
    ways = tidy(home) if act else stale_tunnels(home)
    unreachable = [f"{account.name}: {account.problem}" for account in done.accounts if account.problem]
    if as_json:
        output.answer(
            {
                "schema": "rpd.gc/1",
                "acted": act,
                "runs": [msgspec.to_builtins(row) for row in done.rows],
                "foreign": done.foreign,
                "stopped": [row.document() for row in done.stopped],
                "stopped_usd_per_month": round(
                    sum(row.usd_per_month for row in done.stopped if not row.is_released), 2
                ),
                "ways": [msgspec.to_builtins(way) for way in ways],
                "unreachable": unreachable,
                "exit_code": done.exit_code,
            }
        )
    else:
        lines = _page(done.rows, done.foreign, done.stopped, unreachable, None if act else wanted)
        lines += _not_asked(done.meant, done.accounts) if not done.rows else []
        lines += [way.words if act else way.plan for way in ways]
        lines += [done.leaving.why] if done.leaving is not None else []
        output.text([one_line(line) for line in lines])
    return done.exit_code


def _not_asked(entries: list[Entry], accounts: list[Account]) -> list[str]:
    """Clouds that rpd knows only from journals, and in which these journals owe nothing."""
    names = {key_of(entry.cloud): Account(entry).name for entry in entries if entry.cloud and "home" not in entry.cloud}
    silent = [name for key, name in names.items() if not any(f"({key})" in account.name for account in accounts)]
    return [f"not asked, since no run here owes anything there: {name}" for name in sorted(silent)]


def _page(
    rows: list[GcRow],
    foreign: list[dict[str, Any]],
    stopped: list[Stopped],
    unreachable: list[str],
    plan: CleanupScope | None,
) -> list[str]:
    """All rows in lines. With a `plan`, also the command that does what is planned."""
    lines = []
    for row in rows:
        bills = "" if row.pod_status in AT_REST else f" {rate(row.usd_per_hour or 0.0)}"
        where = f"pod {row.pod_id} {row.pod_status or ''}{bills}" if row.pod_id else "no pod known"
        lines.append(f"{row.run_id}  {row.state or '-'}  {where}")
        lines.append(f"    {row.result if plan is None else row.plan}")
        if row.next:
            lines.append(f"    next: {row.next}")
        if not row.is_done and row.released_by and row.released_by["at"]:
            worst = money(row.released_by["worst_case_usd"])
            lines.append(f"    its switch releases it at {row.released_by['at']}; worst case {worst}")
    if not rows and not unreachable:
        lines.append("nothing computes that is ours to release")
    lines += foreign_page(foreign)
    lines += stopped_page(stopped, plan)
    lines += [f"could not reach {text}; what computes there is not known" for text in unreachable]
    if plan is not None:
        lines += _what_acts(rows, foreign, stopped, plan)
    return lines


def _what_acts(
    rows: list[GcRow], foreign: list[dict[str, Any]], stopped: list[Stopped], plan: CleanupScope
) -> list[str]:
    """The command that does what was planned. None if every run would be spared."""
    is_due = any(not row.is_spared for row in rows) or any(row.is_wanted(plan) for row in stopped)
    if is_due or any(pod["id"] in plan.adopt for pod in foreign):
        return [f"nothing was done; {plan.command} acts"]
    return ["nothing to do: all of them are spared"] if rows else []
