"""`rpd pods` and `rpd pod info`: the pods of the account, and whose they are."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.signals import LeaveNow, signal_requests
from rpd.adapters.pods.asking import Survey, survey_pods, survey_until
from rpd.adapters.pods.choosing import meant
from rpd.adapters.pods.consent import age, results_line
from rpd.adapters.pods.joining import Joined
from rpd.adapters.pods.row import PodRow
from rpd.adapters.report.table import Column, table, terminal_width
from rpd.adapters.report.words import clock, duration, money, one_line, plural, rate
from rpd.adapters.terminal import output
from rpd.adapters.terminal.screen import Row, Screen, can_show
from rpd.engine.errors import UserError
from rpd.states.policy.rules import released_by

WATCH_SECONDS = 5.0
LOOK_SECONDS = 0.2
"""How long a key or a signal may wait."""
OWNERS = {"other_rpd": "another rpd", "not_ours": "not rpd's"}


def list_pods(*, watch: bool, as_json: bool) -> int:
    """Print all pods. Exit code 0 if every cloud was listed, 4 without a key, 1 if a cloud could not be reached. With
    `watch`, go on showing them on a terminal until Ctrl-C."""
    if watch and as_json:
        raise UserError("--watch is for people; --json answers once", hint="rpd pods --json")
    survey = survey_pods()
    if as_json:
        output.answer(document(survey))
        return survey.exit_code
    if watch and can_show():
        return _watch(survey)
    _print(survey)
    return survey.exit_code


def show_pod(word: str | None, *, as_json: bool) -> int:
    """Print one pod in full."""
    survey = survey_pods()
    chosen = meant(survey.pods, word, only=lambda row: True, what="pods")
    if as_json:
        output.answer({"schema": "rpd.pod/1", **chosen.row.document()})
    else:
        output.text([one_line(line) for line in (*_page(chosen.row), *_released(chosen))])
    return 0


def document(survey: Survey) -> dict[str, object]:
    """The answer of `rpd pods --json`."""
    rows = [each.row for each in survey.pods]
    return {
        "schema": "rpd.pods/1",
        "pods": [row.document() for row in rows],
        "usd_per_hour": round(sum(row.usd_per_hour for row in rows), 6),
        "stopped_usd_per_month": round(sum(stopped_monthly(row) for row in rows), 2),
        "unreachable": list(survey.unreachable),
    }


def stopped_monthly(row: PodRow) -> float:
    """What the disk of a pod at rest costs now. The disk of a running pod is part of its rate."""
    return 0.0 if row.computes else row.storage_usd_per_month


def totals(rows: Sequence[PodRow]) -> str:
    """One line: how many pods compute, at what rate, and what the stopped ones cost."""
    running = [row for row in rows if row.computes]
    hourly, monthly = sum(row.usd_per_hour for row in rows), sum(map(stopped_monthly, rows))
    stored = f"; stopped disks {money(monthly)} a month" if monthly else ""
    return f"{plural(len(running), 'pod')} up, {rate(hourly)}{stored}"


def owner_words(row: PodRow, name: str | None) -> str:
    """Whose pod it is, in a few words; `name` stands for a run of ours."""
    owner = row.owner
    if not owner.is_ours:
        who = f" ({owner.who})" if owner.who else ""
        return OWNERS[owner.kind] + who
    return f"{owner.kind} {name}, {owner.outcome or owner.state or '?'}"


def _watch(survey: Survey) -> int:
    """Redraw until `q` or a signal, with exit code 0."""
    command = Patience()
    with contextlib.suppress(LeaveNow), signal_requests(command.leave_on), Screen() as screen:
        while command.leaving is None:
            lines, notes = _lines(survey)
            foot = f"{time.strftime('%H:%M:%S')}  q ends; rpd pod stop|delete|info POD"
            screen.draw([Row(line) for line in (*lines, *notes, "", foot)])
            end = time.monotonic() + WATCH_SECONDS
            while command.leaving is None and (left := end - time.monotonic()) > 0.0:
                if screen.key(min(left, LOOK_SECONDS)) in ("q", "escape"):
                    return 0
            survey = survey_until(command)
    return 0


def _print(survey: Survey) -> None:
    lines, notes = _lines(survey)
    output.text(lines)
    output.note(notes)


def _lines(survey: Survey) -> tuple[list[str], list[str]]:
    """The table, and what is said beside it."""
    rows = [each.row for each in survey.pods]
    nothing = "no pods are known" if survey.unreachable else "no pods"
    lines, left_out = table(_columns(rows), terminal_width()) if rows else ([nothing], [])
    notes = [f"{row.id or row.name}: {row.note}" for row in rows if row.note]
    notes += [f"{row.id}: tunnel {each}" for row in rows for each in row.ways.tunnels]
    notes += [f"could not reach {text}; its pods are not known" for text in survey.unreachable]
    notes += [f"no room for: {', '.join(left_out)} (--json has all)"] if left_out else []
    return lines, [one_line(line) for line in (*notes, *([totals(rows)] if rows else []))]


def _columns(rows: Sequence[PodRow]) -> list[Column]:
    def cells(tell: Callable[[PodRow], str]) -> tuple[str, ...]:
        return tuple(tell(row) for row in rows)

    return [
        Column("ID", cells(lambda row: row.id or "-")),
        Column("NAME", cells(lambda row: row.name), 6),
        Column("STATE", cells(lambda row: f"{row.status}{' (locked)' if row.is_locked else ''}")),
        Column("GPU", cells(_gpu), 3),
        Column("DC", cells(lambda row: row.datacenter or "-"), 5),
        Column("UP", cells(lambda row: "-" if row.uptime_seconds is None else duration(row.uptime_seconds)), 2, True),
        Column("RATE", cells(lambda row: rate(row.usd_per_hour) if row.usd_per_hour else "-"), 0, True),
        Column("COST", cells(_spent), 1, True),
        Column("DISK/MONTH", cells(lambda row: money(row.storage_usd_per_month)), 4, True),
        Column("OWNER", cells(lambda row: owner_words(row, row.owner.workflow or row.owner.run_id).partition(",")[0])),
        Column("IN", cells(lambda row: row.owner.outcome or row.owner.state or "-"), 5),
        Column("RUN", cells(lambda row: row.owner.run_id or "-"), 7),
    ]


def _gpu(row: PodRow) -> str:
    count = f"{row.gpu_count} x " if row.gpu_count > 1 else ""
    return count + (row.gpu or "-").removeprefix("NVIDIA ").removeprefix("GeForce ")


def _spent(row: PodRow) -> str:
    return "?" if row.cost_usd is None else money(row.cost_usd)


def _released(chosen: Joined) -> list[str]:
    """Who gives the pod back if nobody returns."""
    facts = chosen.known.facts if chosen.known is not None else None
    if facts is None or facts.pod is None or facts.pod.id != chosen.row.id:
        return []
    who = released_by(facts, SystemClock().now())
    if who is None:
        return []
    until = f" at {clock(who.at)}, at most {money(who.worst_case_usd or 0.0)}" if who.at is not None else ""
    return [f"release  {who.who}{until}"]


def _page(row: PodRow) -> list[str]:
    owner = row.owner
    lines = [
        f"pod      {row.id or 'no id yet'} {row.name}",
        f"state    {row.status}{age(row)}{'; LOCKED in the account' if row.is_locked else ''}",
        f"GPU      {_gpu(row)}, {row.datacenter or 'any data center'}",
        f"cost     {_spent(row)} so far (est.), {rate(row.usd_per_hour)} now",
        f"disk     {row.volume_gb} GB; {money(row.storage_usd_per_month)} a month while it is stopped",
        f"owner    {owner_words(row, row.owner.run_id)}",
        results_line(row),
        f"cloud    {row.cloud}",
    ]
    lines += [f"driven   by pid {owner.pid}"] if owner.pid is not None else []
    lines += [f"image    {row.image}"] if row.image else []
    lines += [f"connect  {row.ways.ssh}"] if row.ways.ssh else []
    lines += [f"tunnel   {each}" for each in row.ways.tunnels]
    lines += [f"note     {row.note}"] if row.note else []
    return lines
