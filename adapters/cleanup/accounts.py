"""The clouds that the journals of this state home name. rpd lists each cloud once."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rpd.adapters.access.clouds import Access, sandbox_home
from rpd.adapters.access.gate import recorded_access
from rpd.adapters.disposal.suspects import owes_compute
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.patience import Patience
from rpd.engine.errors import RpdError
from rpd.journal.errors import JournalError
from rpd.journal.index import Entry
from rpd.states.ports.world import Cloud, Pod

if TYPE_CHECKING:
    from rpd.adapters.runpod.cloud import RunPodCloud


class Account:
    """One cloud as the journals of runs name it. `problem` says why its pods are not known."""

    def __init__(self, entry: Entry) -> None:
        self.name = f"{entry.cloud.get('name') or 'the cloud'} ({key_of(entry.cloud) or f'of run {entry.run_id}'})"
        self.problem: str | None = "not asked yet"
        self.access: Access | None = None
        self.pods: tuple[Pod, ...] = ()
        self.gpu_use: dict[str, float | None] = {}
        self.journals: list[Path] = []

    @classmethod
    def of_access(cls, access: Access) -> Account:
        """The cloud behind a key at hand, whether or not a journal names it."""
        account = cls(Entry("", "", cloud=access.as_recorded("")))
        account.access = access
        return account

    def read(self, patience: Patience, *, with_use: bool = False) -> None:
        """List its pods, and the use of their GPUs in percent if that is wanted."""
        try:
            access = self._recorded_access()
            self.access = access
            cloud = _cloud(access, patience)
            if with_use:
                found = cloud.list_with_use()
                self.pods, self.gpu_use = tuple(pod for pod, _ in found), {pod.id: use for pod, use in found}
            else:
                self.pods = cloud.list()
            self.problem = None
        except (RpdError, JournalError) as error:
            self.problem = f"{error.message} ({error.hint})" if error.hint else error.message

    def _recorded_access(self) -> Access:
        """The access that the first believed journal names, or the one at hand."""
        if not self.journals and self.access is not None:
            return self.access
        for journal in self.journals[:-1]:
            with contextlib.suppress(JournalError):
                return recorded_access(journal)
        return recorded_access(self.journals[-1])

    def cloud(self, patience: Patience) -> Cloud:
        """A separate connection. Only for an account whose `access` is known."""
        assert self.access is not None, "its key is at hand"
        return _cloud(self.access, patience)


def key_of(cloud: Mapping[str, str]) -> str:
    """The key that tells clouds apart: the folder of a sandbox, else the address."""
    return cloud.get("home") or cloud.get("url", "")


def accounts_of(entries: Sequence[Entry], home: Path) -> dict[str, Account]:
    """Every cloud with an open debt, and every cloud that is up without our doing and may still show a late pod to a
    journal."""
    accounts: dict[str, Account] = {}
    for entry in entries:
        owes = owes_compute(entry) or bool(entry.problem)
        if entry.cloud and (owes or _is_up(entry.cloud, home)):
            accounts.setdefault(key_of(entry.cloud), Account(entry)).journals.append(Path(entry.journal))
    return accounts


def _cloud(access: Access, patience: Patience) -> RunPodCloud:
    from rpd.adapters import wiring

    return wiring.cloud_for(access, ProcessControl(patience=patience))


def _is_up(cloud: Mapping[str, str], home: Path) -> bool:
    """Whether to look at the cloud. rpd does not start a sandbox only to look at it. It looks at RunPod whenever it has
    a key."""
    if "home" not in cloud:
        return not cloud.get("url", "").startswith("http://")
    from rpd.adapters.sandbox import daemon

    return cloud["home"] == str(sandbox_home(home)) and daemon.find(Path(cloud["home"])) is not None
