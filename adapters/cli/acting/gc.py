"""`rpd gc`: close every open compute debt that is provably ours. It plans first; `--yes` acts."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.cleanup.accounts import Account, accounts_of, key_of
from rpd.adapters.cleanup.cleanup import Cleanup
from rpd.adapters.cleanup.copies import copy_row, originals
from rpd.adapters.cleanup.foreign import count_not_adopted, foreign_page
from rpd.adapters.cleanup.rows import GcRow
from rpd.adapters.cleanup.scope import CleanupScope
from rpd.adapters.cleanup.stopped import Stopped, stopped_page
from rpd.adapters.cli.arguments.finding import note_strays
from rpd.adapters.disposal.suspects import AT_REST, understood
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import ANSWER_SECONDS, Patience
from rpd.adapters.local.side_by_side import side_by_side
from rpd.adapters.local.signals import signal_requests
from rpd.adapters.reaching.tidying import stale_tunnels, tidy
from rpd.adapters.report.words import money, one_line, rate
from rpd.adapters.terminal import output
from rpd.journal.index import Entry, Index
from rpd.states.ports.exits import Exit


def collect_garbage(wanted: CleanupScope, *, act: bool, as_json: bool, seconds: float = ANSWER_SECONDS) -> int:
    """Exit code 8 while a spared job is alive, a debt is open, or a cloud was not reached although its key is at hand;
    else 0. rpd leaves a cloud that does not answer for `seconds`. The first signal ends the command (130 or 143 if
    nothing is owed)."""
    index = Index(state_home())
    everything = index.entries()
    note_strays(index)
    meant = [understood(entry) for entry in wanted.of(everything)]
    copies = originals(meant)
    command = Patience()
    with signal_requests(command.leave_on):
        cleanups = _cleanups([entry for entry in meant if entry.journal not in copies], seconds, command)
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
    if act:
        _tell_spared(rows, command)
    failed = _failed(wanted, stopped, foreign) if act else 0
    ways = _ways(act=act)
    accounts = [each.account for each in cleanups if each.account is not None]
    unreachable = [f"{account.name}: {account.problem}" for account in accounts if account.problem]
    is_all_done = all(row.is_done or row.is_spared for row in rows) and not failed
    code = _exit_code(accounts, command, is_all_done=is_all_done)
    document = {
        "schema": "rpd.gc/1",
        "acted": act,
        "runs": [msgspec.to_builtins(row) for row in rows],
        "foreign": foreign,
        "stopped": [row.document() for row in stopped],
        "stopped_usd_per_month": round(sum(row.usd_per_month for row in stopped if not row.is_released), 2),
        "unreachable": unreachable,
        "exit_code": code,
    }
    if as_json:
        output.answer(document)
    else:
        lines = _page(rows, foreign, stopped, unreachable, None if act else wanted)
        lines += [*(_not_asked(meant, accounts) if not rows else []), *ways]
        lines += [command.leaving.why] if command.leaving is not None else []
        output.text([one_line(line) for line in lines])
    return code


def _failed(wanted: CleanupScope, stopped: list[Stopped], foreign: list[dict[str, Any]]) -> int:
    """How much of what was asked for beside the runs was not done."""
    kept = sum(row.is_wanted(wanted) and not row.is_released for row in stopped)
    return kept + count_not_adopted(wanted.adopt, foreign)


def _ways(*, act: bool) -> list[str]:
    """What led into pods that are gone, in words: taken away, or what would be."""
    home = state_home()
    if act:
        return tidy(home)
    return [
        f"the tunnel to pod {each.pod_id} (pid {each.pid}) leads nowhere; rpd gc --yes closes it"
        for each in stale_tunnels(home)
    ]


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


def _not_asked(entries: list[Entry], accounts: list[Account]) -> list[str]:
    """Clouds that rpd knows only from journals, and in which these journals owe nothing."""
    names = {key_of(entry.cloud): Account(entry).name for entry in entries if entry.cloud and "home" not in entry.cloud}
    silent = [name for key, name in names.items() if not any(f"({key})" in account.name for account in accounts)]
    return [f"not asked, since no run here owes anything there: {name}" for name in sorted(silent)]


def _cleanups(entries: list[Entry], seconds: float, command: Patience) -> list[Cleanup]:
    """One cleanup for each cloud, and one for the runs of clouds that are not asked."""
    accounts = accounts_of(entries, state_home())
    runs: dict[str, list[Entry]] = {}
    for entry in entries:
        key = key_of(entry.cloud)
        runs.setdefault(key if key in accounts else "", []).append(entry)
    return [Cleanup(found, accounts.get(key), seconds, command) for key, found in runs.items()]


def _tell_spared(rows: list[GcRow], command: Patience) -> None:
    for row in rows:
        if row.result != "planned":
            continue
        if row.is_spared:
            row.result = row.plan.replace("spare", "spared", 1)
        elif command.leaving is not None:
            row.result, row.next = f"{command.leaving.why} before it was done", "rpd gc --yes"


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
