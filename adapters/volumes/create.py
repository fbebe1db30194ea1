"""`rpd volumes create`. rpd writes the order down before it sends it. After a lost answer rpd looks at the cloud, and
never orders a second time."""

from __future__ import annotations

import shlex

import msgspec

from rpd.adapters.report.words import clean, money, one_line
from rpd.adapters.runpod.orders import LARGEST_NETWORK_VOLUME_GB, SMALLEST_VOLUME_GB
from rpd.adapters.terminal import output
from rpd.adapters.terminal.asking import ask
from rpd.adapters.volumes.account import (
    STANDARD,
    VolumeAccount,
    VolumeRow,
    as_user_error,
    monthly,
    one_line_kept,
    told_of,
    user_errors,
)
from rpd.adapters.volumes.orders import VolumeOrders, price_of
from rpd.engine.errors import RpdError, UserError
from rpd.states.policy.naming import name_datacenters, suggested
from rpd.states.ports.exits import Exit
from rpd.states.ports.volume import Volume
from rpd.states.volume.facts import VolumeFacts
from rpd.states.volume.operations import CreateVolume

KINDS = {"standard": STANDARD, "high-performance": "HIGH_PERFORMANCE"}
DAYS_PER_MONTH = 365 / 12


class VolumeOrder(msgspec.Struct, frozen=True):
    """What a person asked for. `kind` is the word of `--type`."""

    name: str
    size_gb: int
    datacenter: str
    kind: str | None = None

    @property
    def type(self) -> str:
        """The API's word for the storage. Raises UserError."""
        word = (self.kind or "standard").lower().replace("_", "-")
        if word not in KINDS:
            raise UserError(f"--type {self.kind} is not a kind of storage: {' or '.join(KINDS)}")
        return KINDS[word]


def create_volume(wanted: VolumeOrder, *, yes: bool, use_sandbox: bool, as_json: bool) -> int:
    """Exit code 0 when the volume is there; 8 when rpd could not find out whether it was made."""
    _check(wanted)
    account = VolumeAccount(use_sandbox=use_sandbox)
    with VolumeOrders(account, wanted.name).held():
        _require_free(account, wanted.name)
    _require_place(account, wanted)
    asked = VolumeRow(Volume("", wanted.name, wanted.size_gb, wanted.datacenter, wanted.type))
    output.note(_offer(wanted, asked))
    command = _command(account, wanted)
    ask("make it? [y/N] ", ("y", "yes", "Y"), yes=yes, hint=f"{command} --yes", undone="nothing was made")
    made = _make(account, wanted)
    volume = made.volume
    assert volume is not None, "it was made"
    twins = _of_the_same_name(account, volume)
    row = VolumeRow(
        volume, workflows=tuple(account.users.workflows(volume.id, volume.name)), is_name_shared=bool(twins)
    )
    if as_json:
        output.answer(
            {
                "schema": "rpd.volume/1",
                "did": "created",
                "volume": row.document(),
                "answer_was_lost": made.was_lost,
                "same_name": twins,
            }
        )
    else:
        output.text(_page(account, row))
    if twins:
        others = f"warning: other network volumes bear this name by now: {', '.join(twins)}"
        output.note([f"{others}; each bills, and a job file has to name one by its id"])
        output.note([f"rpd volumes delete{account.words} {twins[0]}   deletes the first of them"])
    return 0


def _make(account: VolumeAccount, wanted: VolumeOrder) -> VolumeFacts:
    """Order it once; the facts have the new volume. Raises UserError."""
    orders = VolumeOrders(account, wanted.name)
    order = CreateVolume(
        wanted.name, wanted.size_gb, wanted.datacenter, wanted.type, account.access.profile.quiet_window_seconds
    )
    with orders.held():
        _require_free(account, wanted.name)
        try:
            sent = orders.send(order)
        except KeyboardInterrupt:
            why = "interrupted before it was known whether the volume was made"
            raise _doubt(account, order, why) from None
    if sent.refusal is not None:
        raise as_user_error(sent.refusal) from sent.refusal
    if sent.facts.volume is None:
        raise _doubt(account, order, sent.left or "it could not be told whether the volume was made")
    return sent.facts


def _doubt(account: VolumeAccount, order: CreateVolume, why: str) -> UserError:
    return UserError(
        f"{why}; if it was, network volume {order.volume_name!r} bills {price_of(order)} until it is deleted",
        exit_code=Exit.STILL_BILLING,
        reason="in_doubt",
        hint=f"rpd volumes{account.words}   shows whether it is there; the same command again looks first",
    )


def _check(wanted: VolumeOrder) -> None:
    name = wanted.name
    if not name or name != name.strip() or clean(name) != name or "\n" in name or "\t" in name:
        raise UserError("--name needs a name without blanks around it or control characters", reason="bad_name")
    if not SMALLEST_VOLUME_GB <= wanted.size_gb <= LARGEST_NETWORK_VOLUME_GB:
        raise UserError(
            f"--size-gb {wanted.size_gb}: a network volume has {SMALLEST_VOLUME_GB} to {LARGEST_NETWORK_VOLUME_GB} GB",
            reason="bad_size",
        )
    _ = wanted.type


def _require_free(account: VolumeAccount, name: str) -> None:
    """Job files find a volume by its name, so a second volume of that name would stop them."""
    with user_errors():
        taken = next((each for each in account.cloud.volumes() if name in (each.name, each.id)), None)
    if taken is not None:
        raise UserError(
            f"there is a network volume {name!r} already: {told_of(taken)}; nothing was made",
            reason="name_taken",
            hint=f"rpd volumes grow{account.words} {taken.id} --size-gb GB   makes it larger; or choose another --name",
        )


def _require_place(account: VolumeAccount, wanted: VolumeOrder) -> None:
    """Check the data center. The API also takes names of data centers in other letters, and then makes volumes that no
    pod can mount."""
    with user_errors():
        centers = account.cloud.datacenters()
    able = [each.id for each in centers if each.volume_types is None or wanted.type in each.volume_types]
    place = next((each for each in centers if each.id == wanted.datacenter), None)
    if place is not None and place.id in able:
        return
    if place is None:
        named = name_datacenters([wanted.datacenter], centers)
        meant = suggested(([each for each in named.datacenters if each in able] or named.datacenters)[:3])
        what = named.problems[0] if named.problems else f"there is no data center {wanted.datacenter!r}{meant}"
    elif place.volume_types:
        kinds = [word for word, kind in KINDS.items() if kind in place.volume_types]
        what = f"{place.id} has no {wanted.kind or 'standard'} network volumes, but {', '.join(kinds) or 'others'}"
    else:
        what = f"{place.id} has no network volumes"
    raise UserError(f"{what}; those that have: {', '.join(able)}", reason="no_datacenter", hint="--datacenter ID")


def _of_the_same_name(account: VolumeAccount, made: Volume) -> list[str]:
    """Other volumes of that name, which another person may have made at the same moment. If the list cannot be read,
    that is no failure."""
    try:
        return [each.id for each in account.cloud.volumes() if each.name == made.name and each.id != made.id]
    except RpdError:
        return []


def _offer(wanted: VolumeOrder, asked: VolumeRow) -> list[str]:
    price, kind = monthly(asked.volume, asked.usd_per_month), wanted.kind or "standard"
    daily = f" ({money(asked.usd_per_month / DAYS_PER_MONTH)} a day)" if asked.usd_per_month is not None else ""
    lines = [
        f"network volume {wanted.name}: {wanted.size_gb} GB of {kind} storage in {wanted.datacenter}",
        f"costs    {price}{daily} from now until it is deleted, whether or not a pod mounts it",
    ]
    if asked.usd_per_month is None:
        lines.append("         RunPod shows the price of high-performance storage in its console only")
    lines.append(f"mounts   in pods of the SECURE cloud in {wanted.datacenter}; it can grow, and never shrink")
    return [one_line_kept(line) for line in lines]


def _page(account: VolumeAccount, row: VolumeRow) -> list[str]:
    price = monthly(row.volume, row.usd_per_month)
    return [
        f"made     network volume {told_of(row.volume)}",
        one_line(f"bills    {price} until: rpd volumes delete{account.words} {shlex.quote(row.word)}"),
        one_line(f"use it   storage: {{mode: network_volume, volume_name: {row.word}}}"),
    ]


def _command(account: VolumeAccount, wanted: VolumeOrder) -> str:
    words = ["--name", wanted.name, "--size-gb", str(wanted.size_gb), "--datacenter", wanted.datacenter]
    words += ["--type", wanted.kind] if wanted.kind else []
    return f"rpd volumes create{account.words} {shlex.join(words)}"
