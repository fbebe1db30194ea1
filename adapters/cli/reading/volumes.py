"""`rpd volumes list`: the volumes, their cost, and their users."""

from __future__ import annotations

from collections.abc import Callable

from rpd.adapters.local.patience import ANSWER_SECONDS, Patience
from rpd.adapters.report.table import Column, table, terminal_width
from rpd.adapters.report.words import money, one_line, plural
from rpd.adapters.terminal import output
from rpd.adapters.volumes.account import VolumeAccount, VolumeRow
from rpd.adapters.volumes.orders import in_doubt, price_of
from rpd.states.policy import cost


def list_volumes(*, use_sandbox: bool, as_json: bool) -> int:
    """Print the volumes. Exit code 0, also if there are none."""
    account = VolumeAccount(use_sandbox=use_sandbox, patience=Patience(ANSWER_SECONDS))
    rows = account.rows()
    _tell_of_doubts(account, rows)
    total = sum(row.usd_per_month or 0.0 for row in rows)
    unpriced = [row for row in rows if row.usd_per_month is None]
    if as_json:
        output.answer(
            {
                "schema": "rpd.volumes/1",
                "cloud": account.access.profile.name,
                "volumes": [row.document() for row in rows],
                "usd_per_month": round(total, 2),
                "unpriced": [row.volume.id for row in unpriced],
            }
        )
        return 0
    if not rows:
        output.text(["no network volumes"])
        output.note([f"rpd volumes create{account.words} --name NAME --size-gb GB --datacenter ID   makes one"])
        return 0
    lines, left_out = table(_columns(rows), terminal_width())
    output.text(lines)
    if left_out:
        output.note([f"no room for: {', '.join(left_out)} (--json has all)"])
    more = " and the price of high-performance storage, which RunPod does not publish" if unpriced else ""
    idle = sum(not row.mounts for row in rows)
    which = "" if not idle else ", mounted by no pod" if idle == len(rows) else f", {idle} of them mounted by no pod"
    output.note([f"{plural(len(rows), 'network volume')}{which}: {money(total)} a month{more}, used or not"])
    return 0


def _tell_of_doubts(account: VolumeAccount, rows: list[VolumeRow]) -> None:
    """Orders that were never settled, unless the list shows a volume of that name."""
    names = {row.volume.name for row in rows}
    for order in in_doubt(account):
        if order.volume_name not in names:
            what = f"network volume {order.volume_name!r} ({order.size_gb} GB in {order.datacenter})"
            bills = f"if it was made, it bills {price_of(order)}"
            output.note([one_line(f"warning: an order for {what} was never settled; {bills} until it is deleted")])
            output.note([f"the same rpd volumes create{account.words} again looks for it, before it orders anything"])


def _columns(rows: list[VolumeRow]) -> list[Column]:
    def cells(tell: Callable[[VolumeRow], str]) -> tuple[str, ...]:
        return tuple(tell(row) for row in rows)

    return [
        Column("ID", cells(lambda row: row.volume.id)),
        Column("NAME", cells(lambda row: row.volume.name or "-")),
        Column("DATA CENTER", cells(lambda row: row.volume.data_center or "?"), 3),
        Column("GB", cells(lambda row: str(row.volume.size or "?")), 2, True),
        Column("$/MONTH", cells(_price), 0, True),
        Column("MOUNTED BY", cells(_pods), 1),
        Column("NAMED BY", cells(_workflows), 4),
    ]


def _price(row: VolumeRow) -> str:
    if row.usd_per_month is not None:
        return money(row.usd_per_month)
    return f"over {money(cost.network_volume_usd_per_month(row.volume.size))}" if row.volume.size else "?"


def _pods(row: VolumeRow) -> str:
    return ", ".join(f"{each.pod_id} {each.status}" for each in row.mounts) or "-"


def _workflows(row: VolumeRow) -> str:
    def words(name: str, runs: int, unfinished: int) -> str:
        return f"{name} ({plural(runs, 'run')}{f', {unfinished} unfinished' if unfinished else ''})"

    return ", ".join(words(each.workflow, each.runs, len(each.unfinished)) for each in row.workflows) or "-"
