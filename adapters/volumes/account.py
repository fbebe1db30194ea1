"""The network volumes of one account, with what is known of their use and price."""

from __future__ import annotations

import contextlib
import difflib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from rpd.adapters.access.clouds import chosen_access
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.patience import Patience
from rpd.adapters.report.words import money, one_line, plural
from rpd.adapters.runpod.errors import HINTS
from rpd.adapters.runpod.wire import Mount
from rpd.adapters.volumes.users import VolumeUsers, Workflow, cloud_mark
from rpd.engine.errors import Ambiguous, NotSent, Refused, RpdError, Unavailable, UserError
from rpd.states.policy import cost
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import Fault
from rpd.states.ports.volume import Volume

STANDARD = "STANDARD"

_HINTS: dict[str, str] = {str(fault): hint for fault, hint in HINTS.items()}
_KEY = (Fault.KEY_REFUSED, Fault.FORBIDDEN, Fault.BLOCKED, Fault.POOL_FORBIDDEN, Fault.NO_CREDIT)


class VolumeRow(msgspec.Struct, frozen=True):
    """A network volume, the pods that have it mounted, and the workflows of this machine that name it."""

    volume: Volume
    mounts: tuple[Mount, ...] = ()
    workflows: tuple[Workflow, ...] = ()
    is_name_shared: bool = False

    @property
    def word(self) -> str:
        """The word that names only this volume."""
        name = self.volume.name
        return name if name and not self.is_name_shared else self.volume.id

    @property
    def usd_per_month(self) -> float | None:
        """None if RunPod does not publish the price, or if the size is not known."""
        is_priced = self.volume.type == STANDARD and self.volume.size is not None
        return cost.network_volume_usd_per_month(self.volume.size or 0) if is_priced else None

    def document(self) -> dict[str, Any]:
        """The row as plain data."""
        price = self.usd_per_month
        return {
            "id": self.volume.id,
            "name": self.volume.name,
            "datacenter": self.volume.data_center,
            "size_gb": self.volume.size,
            "type": self.volume.type,
            "usd_per_month": round(price, 2) if price is not None else None,
            "pods": [
                {"id": each.pod_id, "name": each.name, "status": each.status, "run_id": each.run_id}
                for each in self.mounts
            ],
            "workflows": [msgspec.to_builtins(each) for each in self.workflows],
        }


class VolumeAccount:
    """An account, chosen by `--sandbox`, the environment and the settings. Its reads raise UserError, also if the cloud
    does not answer within `patience`."""

    def __init__(self, *, use_sandbox: bool, patience: Patience | None = None) -> None:
        from rpd.adapters.wiring import cloud_for

        self.home = state_home()
        self.access = chosen_access(self.home, use_sandbox=use_sandbox)
        self.control = ProcessControl(patience=patience)
        self.cloud = cloud_for(self.access, self.control)
        self.mark = cloud_mark(self.access.as_recorded(""))
        self.users = VolumeUsers(self.home, self.access.as_recorded(""))
        self.words = " --sandbox" if use_sandbox else ""

    def rows(self) -> list[VolumeRow]:
        """All volumes, by name."""
        with user_errors():
            volumes, mounts = self.cloud.volumes(), self.cloud.mounts()
        names = Counter(each.name for each in volumes)
        rows = (self._row(each, mounts, is_name_shared=names[each.name] > 1) for each in volumes)
        return sorted(rows, key=lambda row: (row.volume.name or "", row.volume.id))

    def find(self, word: str, command: str) -> VolumeRow:
        """The volume with this id, else the only volume of this name. `command` is the requested command, to be typed
        again with an id in place of VOLUME."""
        rows = self.rows()
        found = [row for row in rows if row.volume.id == word] or [row for row in rows if row.volume.name == word]
        if len(found) == 1:
            return found[0]
        if not found:
            known = [name for row in rows for name in (row.volume.name, row.volume.id) if name]
            close = difflib.get_close_matches(word, known, n=1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise UserError(
                f"there is no network volume {word!r}{meant}", reason="no_volume", hint=f"rpd volumes{self.words}"
            )
        lines = [f"{len(found)} network volumes are named {word!r}:", *(f"  {told_of(row.volume)}" for row in found)]
        raise UserError(
            "\n".join(map(one_line_kept, lines)),
            reason="ambiguous_name",
            hint=command.replace("VOLUME", found[0].volume.id),
        )

    def again(self, row: VolumeRow) -> VolumeRow:
        """The same volume with the pods that have it mounted now."""
        with user_errors():
            return self._row(row.volume, self.cloud.mounts(), is_name_shared=row.is_name_shared)

    def _row(self, volume: Volume, mounts: tuple[Mount, ...], *, is_name_shared: bool) -> VolumeRow:
        users = tuple(self.users.workflows(volume.id, volume.name))
        return VolumeRow(volume, tuple(each for each in mounts if each.volume_id == volume.id), users, is_name_shared)


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turn the errors of a call to the cloud into errors that a person can act on."""
    try:
        yield
    except UserError:
        raise
    except RpdError as error:
        raise as_user_error(error) from error


def as_user_error(error: RpdError) -> UserError:
    """Exit code 4: the key or the money. 2: a wrong request. 6: the cloud could not be reached. 8: it may have
    happened."""
    if isinstance(error, UserError):
        return error
    # The reason is that of a refused pod order. Volumes have no pools, so the key lacks a right.
    reason = Fault.FORBIDDEN if error.reason == Fault.POOL_FORBIDDEN else error.reason
    if error.reason in _KEY:
        code = Exit.KEY
    elif isinstance(error, Ambiguous):
        code = Exit.STILL_BILLING
    elif isinstance(error, Unavailable | NotSent) or error.reason == Fault.RATE_LIMITED:
        code = Exit.NO_CAPACITY
    else:
        code = Exit.USAGE if isinstance(error, Refused) else Exit.INTERNAL
    later = "the same command again, later" if code == Exit.NO_CAPACITY else ""
    return UserError(error.message, exit_code=code, reason=reason, hint=error.hint or _HINTS.get(reason, later))


def told_of(volume: Volume) -> str:
    """Name, id, size and data center in one line."""
    name = f"{volume.name} ({volume.id})" if volume.name else volume.id
    return one_line(f"{name}, {volume.size or '?'} GB in {volume.data_center or '?'}")


def monthly(volume: Volume, usd_per_month: float | None) -> str:
    """The price in words, or a lower limit if RunPod does not publish it."""
    if usd_per_month is not None:
        return f"{money(usd_per_month)} a month"
    if not volume.size:
        return "an unknown price"
    return f"more than {money(cost.network_volume_usd_per_month(volume.size))} a month"


def mount_lines(row: VolumeRow, users: VolumeUsers) -> list[str]:
    """A line for each pod that has the volume mounted."""
    lines = []
    for each in row.mounts:
        entry = users.run_of(each.name, each.run_id)
        run_id = entry.run_id if entry is not None else each.run_id
        run = f", run {run_id}" if run_id else ""
        ours = "" if entry is not None else ", not of this machine"
        lines.append(one_line(f"pod {each.pod_id} {each.name} {each.status}{run}{ours}"))
    return lines


def workflow_words(workflow: Workflow) -> str:
    """`train (3 runs, newest train-2026...)`."""
    open_runs = f", unfinished: {', '.join(workflow.unfinished)}" if workflow.unfinished else ""
    return one_line(f"{workflow.workflow} ({plural(workflow.runs, 'run')}, newest {workflow.newest_run}{open_runs})")


def one_line_kept(line: str) -> str:
    """A line that keeps its indentation."""
    return line[: len(line) - len(line.lstrip(" "))] + one_line(line.lstrip(" "))
