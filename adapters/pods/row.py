"""One pod as a person sees it: what the account says, and what the journals of this state home say of it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Kind = Literal["run", "session", "other_rpd", "not_ours"]
Results = Literal["collected", "not_collected", "none", "unknown"]

NOT_LISTED = "NOT LISTED"
"""The status of a pod that a journal owes and the account does not show."""
NOT_KNOWN = "NOT KNOWN"
"""The status of a pod whose cloud was not reached."""


class Owner(msgspec.Struct, frozen=True):
    """Whose pod it is. `other_rpd`: an rpd rented it whose journal is not here. `who` is user@host, as the pod's
    environment says. `pid` is the process of this machine that drives the run now."""

    kind: Kind
    run_id: str | None = None
    state: str | None = None
    outcome: str | None = None
    who: str | None = None
    pid: int | None = None
    journal: str | None = None
    workflow: str | None = None

    @property
    def is_ours(self) -> bool:
        """A journal of this state home accounts for it."""
        return self.kind in ("run", "session")


class Ways(msgspec.Struct, frozen=True):
    """What leads into the pod: the command of a direct login, and `local -> remote` of each port that a tunnel in the
    background leads to it."""

    ssh: str | None = None
    tunnels: tuple[str, ...] = ()


class PodRow(msgspec.Struct, frozen=True):
    """Money is in USD. `usd_per_hour` is the present compute rate, 0.0 at rest. `cost_usd` is an estimate; of a pod
    that is not ours, it covers the present start only. `storage_usd_per_month` is the price of its volume while it is
    stopped. `note` says what is unusual, and what to type. `gpu_use` is the present use of its GPUs in percent."""

    id: str | None
    name: str
    status: str
    owner: Owner
    cloud: str
    gpu: str | None = None
    gpu_count: int = 0
    datacenter: str | None = None
    created_at: str | None = None
    uptime_seconds: float | None = None
    usd_per_hour: float = 0.0
    cost_usd: float | None = None
    storage_usd_per_month: float = 0.0
    volume_gb: int = 0
    results: Results = "unknown"
    is_locked: bool = False
    ways: Ways = Ways()
    image: str | None = None
    note: str | None = None
    gpu_use: float | None = None

    @property
    def is_listed(self) -> bool:
        """The account shows it."""
        return self.status not in (NOT_LISTED, NOT_KNOWN)

    @property
    def computes(self) -> bool:
        """It may compute now, as far as the account says."""
        return self.is_listed and self.status not in ("EXITED", "TERMINATED")

    def document(self) -> dict[str, Any]:
        """The row as plain data."""
        return {**msgspec.to_builtins(self), "is_listed": self.is_listed}
