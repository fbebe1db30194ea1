"""`rpd volumes grow` and `rpd volumes delete`."""

from __future__ import annotations

import msgspec

from rpd.adapters.local.patience import ANSWER_SECONDS, Patience
from rpd.adapters.report.words import one_line
from rpd.adapters.runpod.orders import LARGEST_NETWORK_VOLUME_GB
from rpd.adapters.terminal import output
from rpd.adapters.terminal.asking import ask
from rpd.adapters.volumes.account import (
    VolumeAccount,
    VolumeRow,
    as_user_error,
    monthly,
    mount_lines,
    one_line_kept,
    told_of,
    workflow_words,
)
from rpd.adapters.volumes.orders import VolumeOrders
from rpd.engine.errors import Refused, UserError
from rpd.states.ports.exits import Exit
from rpd.states.ports.volume import Volume
from rpd.states.volume.operations import DeleteVolume, GrowVolume

CHANGES = "changes this network volume"


def grow_volume(word: str, size_gb: int, *, use_sandbox: bool, as_json: bool) -> int:
    """Exit code 0 when the volume has that size."""
    account = VolumeAccount(use_sandbox=use_sandbox, patience=Patience(ANSWER_SECONDS))
    row = account.find(word, f"rpd volumes grow{account.words} VOLUME --size-gb {size_gb}")
    before = row.volume
    if before.size is not None and size_gb < before.size:
        raise UserError(
            f"network volume {told_of(before)} cannot shrink to {size_gb} GB; nothing was changed",
            reason="cannot_shrink",
            hint="a smaller one is a new one: rpd volumes create, copy the files in a pod, rpd volumes delete",
        )
    if size_gb > LARGEST_NETWORK_VOLUME_GB:
        raise UserError(
            f"--size-gb {size_gb}: a network volume has {LARGEST_NETWORK_VOLUME_GB} GB at most", reason="bad_size"
        )
    is_new = size_gb != before.size
    after = msgspec.structs.replace(row, volume=_grown(account, before, size_gb)) if is_new else row
    if as_json:
        was = {"size_gb": before.size, "usd_per_month": row.document()["usd_per_month"]}
        did = "grown" if is_new else "nothing"
        output.answer({"schema": "rpd.volume/1", "did": did, "volume": after.document(), "was": was})
        return 0
    if not is_new:
        output.text([f"nothing to do: {told_of(before)} has that size already"])
        return 0
    new, old = monthly(after.volume, after.usd_per_month), monthly(before, row.usd_per_month)
    output.text([f"grown    network volume {told_of(after.volume)}; it had {before.size or '?'} GB"])
    output.text([f"bills    {new} until it is deleted; so far it was {old}"])
    return 0


def _grown(account: VolumeAccount, volume: Volume, size_gb: int) -> Volume:
    """The volume as the cloud shows it afterwards. Raises UserError."""
    orders = VolumeOrders(account, volume.id, CHANGES)
    with orders.held():
        sent = orders.send(GrowVolume(volume.id, size_gb))
    if sent.refusal is not None:
        raise as_user_error(sent.refusal) from sent.refusal
    if sent.facts.volume is None:
        why = sent.error.message if sent.error is not None else sent.left
        raise UserError(
            f"it could not be told whether {told_of(volume)} has grown: {why}",
            exit_code=Exit.STILL_BILLING,
            reason="in_doubt",
            hint=f"rpd volumes grow{account.words} {volume.id} --size-gb {size_gb}",
        ) from sent.error
    return sent.facts.volume


def delete_volume(word: str, *, yes: bool, use_sandbox: bool, as_json: bool) -> int:
    """Exit code 0 when the volume is gone; 8 when it still bills, or may."""
    account = VolumeAccount(use_sandbox=use_sandbox, patience=Patience(ANSWER_SECONDS))
    command = "rpd volumes delete" + account.words
    row = account.find(word, f"{command} VOLUME")
    _require_unused(account, row)
    output.note(_losses(row))
    question = one_line(f"type {row.word} to delete it, or anything else to keep it:")
    ask(f"{question} ", (row.word,), yes=yes, hint=f"{command} {row.volume.id} --yes", undone="nothing was deleted")
    if not yes:
        _require_unused(account, account.again(row))
    _delete(account, row)
    saved = row.document()["usd_per_month"]
    if as_json:
        document = {"schema": "rpd.volume/1", "did": "deleted", "volume": row.document(), "usd_per_month_saved": saved}
        output.answer(document)
    else:
        price = monthly(row.volume, row.usd_per_month)
        output.text([f"deleted  network volume {told_of(row.volume)}; it bills no more, which saves {price}"])
    return 0


def _require_unused(account: VolumeAccount, row: VolumeRow) -> None:
    """No pod may have the volume mounted, not even a stopped pod."""
    if row.mounts:
        raise _in_use(account, row, f"network volume {told_of(row.volume)} is in use and was not deleted; mounted by")


def _in_use(account: VolumeAccount, row: VolumeRow, head: str) -> UserError:
    lines = [head, *(f"  {line}" for line in mount_lines(row, account.users))]
    return UserError("\n".join(map(one_line_kept, lines)), reason="in_use", hint=_first_step(account, row))


def _first_step(account: VolumeAccount, row: VolumeRow) -> str:
    """The command that removes the first of the pods."""
    for mount in row.mounts:
        entry = account.users.run_of(mount.name, mount.run_id)
        if entry is None:
            continue
        if entry.outcome is not None:
            return f"rpd release {entry.run_id} --delete"
        verb = "resume" if mount.status == "EXITED" else "cancel"
        return f"rpd {verb} {entry.run_id}"
    return "delete the pod first: where it was made, or in RunPod's console"


def _losses(row: VolumeRow) -> list[str]:
    lines = [
        f"network volume {told_of(row.volume)}",
        "lost     everything on it, for good: there is no copy and no way back",
        f"saves    {monthly(row.volume, row.usd_per_month)}",
    ]
    lines += [one_line(f"named    by {workflow_words(each)}; its next run will not find it") for each in row.workflows]
    return lines


def _delete(account: VolumeAccount, row: VolumeRow) -> None:
    """Delete the volume and prove that it is gone. Raises UserError."""
    volume, orders = row.volume, VolumeOrders(account, row.volume.id, CHANGES)
    with orders.held():
        sent = orders.send(DeleteVolume(volume.id, account.access.profile.proof_interval_seconds))
    if sent.refusal is not None:
        mounted = _mounted_by_now(account, row) if isinstance(sent.refusal, Refused) else None
        if mounted is not None:
            raise _in_use(account, mounted, f"{sent.refusal.message}; mounted by") from sent.refusal
        raise as_user_error(sent.refusal) from sent.refusal
    if not sent.facts.is_proved_gone:
        why = sent.error.message if sent.error is not None else sent.left
        raise UserError(
            f"network volume {told_of(volume)} is still there and bills {monthly(volume, row.usd_per_month)}"
            + (f" ({why})" if why else ""),
            exit_code=Exit.STILL_BILLING,
            reason="still_there",
            hint=f"rpd volumes delete{account.words} {volume.id}",
        )


def _mounted_by_now(account: VolumeAccount, row: VolumeRow) -> VolumeRow | None:
    """The volume with its pods, if a pod prevented the deletion. None otherwise, also if it cannot be read."""
    try:
        now = account.again(row)
    except UserError:
        return None
    return now if now.mounts else None
