"""`rpd salvage`: the way out for a journal that cannot be driven."""

from __future__ import annotations

import msgspec

from rpd.adapters.disposal.salvage import Salvaged, damaged_run, salvage
from rpd.adapters.local.dirs import state_home
from rpd.adapters.report.words import money, one_line
from rpd.adapters.runs.finding import damaged, find_journal
from rpd.adapters.terminal import output
from rpd.adapters.terminal.asking import ask
from rpd.journal.index import Entry, Index
from rpd.states.policy import cost
from rpd.states.ports.exits import Exit


def salvage_run(run: str | None, *, delete: bool, yes: bool, as_json: bool) -> int:
    """Exit code 0 when everything that the journal names is given back and the run is ended; 8 while something may
    compute; 9 if a disk is left that no journal would remember. Without a name, it means the one run whose journal is
    damaged. Raises UserError, JournalError."""
    path = find_journal(run, only=damaged, ends=True, to_act=True)
    entry = damaged_run(path)
    if delete:
        ask(
            f"delete every pod of {entry.run_id} with its disk, results or not? type yes: ",
            ("yes", "y"),
            yes=yes,
            hint=f"rpd salvage {entry.run_id} --delete --yes",
            undone="nothing was deleted",
        )
    done = salvage(entry, path, delete=delete)
    _tell(entry, done, as_json=as_json)
    return Exit.STILL_BILLING if done.open_ends else Exit.JOURNAL if done.forgotten else Exit.DONE


def _tell(entry: Entry, done: Salvaged, *, as_json: bool) -> None:
    open_ends = [*done.open_ends, *map(_forgotten, done.forgotten)]
    stored = Index(state_home()).find(entry.run_id) if done.kept is not None else []
    monthly = sum(
        (debt.usd_per_hour or 0.0) * cost.HOURS_PER_MONTH
        for each in stored[:1]
        for debt in each.debts
        if debt.kind == "storage"
    )
    if as_json:
        output.answer(
            {
                "schema": "rpd.salvage/1",
                "run_id": entry.run_id,
                "problem": entry.problem,
                "pods": msgspec.to_builtins(list(done.given)),
                "open": open_ends,
                "kept_as": str(done.kept) if done.kept is not None else None,
                "cost_usd": round(done.usd, 6) if done.usd is not None else None,
                "stored_usd_per_month": round(monthly, 2),
            }
        )
        return
    lines = [f"pod {each.pod_id or each.name} {each.how}: {each.proof}" for each in done.given]
    lines += [f"OPEN     {text}" for text in open_ends]
    if done.kept is None:
        lines += [f"next     rpd salvage {entry.run_id}   again"]
    elif done.kept.exists():
        lines += [f"ended    {entry.run_id}; the damaged file is kept as {done.kept}"]
        lines += [f"cost     {f'at most {money(done.usd)} (est.)' if done.usd is not None else 'not known'}"]
    else:
        lines += [f"ended    {entry.run_id}; its journal was gone, and it is listed no more"]
    if monthly:
        lines += [
            f"stored   {money(monthly)} a month, with whatever the run has left there",
            f"         rpd release {entry.run_id} --delete   ends that, once you say so",
        ]
    output.text(one_line(line) for line in lines)


def _forgotten(pod_id: str) -> str:
    return f"pod {pod_id} is stopped and keeps its disk; without a first record nothing but --delete ends that"
