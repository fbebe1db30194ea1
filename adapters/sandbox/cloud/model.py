"""What the sandbox cloud remembers, as structs: pods, what they cost, volumes, keys, stock, armed faults.

This is all the state there is; it is written to one file after every change (`state_file`). Times are UTC seconds,
money is USD, sizes are GB, rates are USD per hour.
"""

from __future__ import annotations

from typing import Any

import msgspec

PROVISIONING = "PROVISIONING"
STARTING = "STARTING"
RUNNING = "RUNNING"
EXITED = "EXITED"
ERROR = "ERROR"
TERMINATED = "TERMINATED"

LIVE = frozenset({PROVISIONING, STARTING, RUNNING})

DEFAULT_BOOT_SECONDS = 0.3
DEFAULT_BALANCE_USD = 1000.0


class Span(msgspec.Struct):
    """A stretch of time with one price. `kind` is "compute" or "storage"; `until` is None while it runs."""

    since: float
    kind: str
    compute_rate: float
    disk_rate: float
    until: float | None = None


class LogLine(msgspec.Struct):
    """One line of the provider's log about a pod; `seq` is dense per pod."""

    ts: float
    seq: int
    line: str


class Pod(msgspec.Struct):
    """A pod as it really is, which is not always what the API shows of it.

    `key` is the pod-scoped API key; `boot_seconds` sums, over all starts, the seconds from the accepted request to the
    moment sshd could be reached; `hidden_*` and `lingers_until` bend what GET and list show; `afflictions` are faults
    that took hold of this pod, by id.
    """

    id: str
    seq: int
    key: str
    name: str
    image: str
    created_at: float
    status: str = PROVISIONING
    args: str = ""
    disk: int = 20
    env: dict[str, str] = {}
    ports: list[str] = []
    registry: str | None = None
    cloud: str = "SECURE"
    datacenter: str = ""
    is_placed: bool = False
    gpu_id: str | None = None
    gpu_count: int = 0
    gpus_given: int = 0
    cpu_id: str | None = None
    vcpus: int = 0
    memory: int = 0
    persistent_gb: int | None = None
    volume_path: str = ""
    network_volume_id: str | None = None
    template: str | None = None
    is_locked: bool = False
    has_global_network: bool = False
    compute_rate: float = 0.0
    accepted_at: float = 0.0
    started_at: float | None = None
    container_at: float | None = None
    spans: list[Span] = []
    boot_seconds: float = 0.0
    planned_boot_seconds: float = DEFAULT_BOOT_SECONDS
    has_booted: bool = False
    ssh_logins: int = 0
    ssh_port: int | None = None
    stale_port: int | None = None
    stale_until: float = 0.0
    hidden_get_until: float = 0.0
    hidden_list_until: float = 0.0
    lingers_until: float = 0.0
    ends_at: float | None = None
    afflictions: dict[str, dict[str, str]] = {}
    log: list[LogLine] = []

    @property
    def is_live(self) -> bool:
        """Whether compute bills."""
        return self.status in LIVE


class Volume(msgspec.Struct):
    """A network volume. `until` is set when it was deleted (its bill stays); `earlier` are the sizes it had before it
    grew, each with the moment at which that ended; until `hidden_until` the API does not show it."""

    id: str
    name: str
    size: int
    datacenter: str
    type: str
    since: float
    until: float | None = None
    earlier: list[tuple[float, int]] = []
    hidden_until: float = 0.0

    def resize(self, size: int, now: float) -> None:
        """Another size from now on; what it cost so far stays."""
        if size != self.size:
            self.earlier = [*self.earlier, (now, self.size)]
            self.size = size


class ArmedFault(msgspec.Struct):
    """A fault that waits for its occasion: it skips `after` of them, then strikes `times` (0: until cleared)."""

    id: str
    times: int = 1
    after: int = 0
    pod: str | None = None
    options: dict[str, str] = {}
    seen: int = 0
    struck: int = 0


class State(msgspec.Struct):
    """Everything. `port` is where the API listened last, so that a restarted sandbox keeps its address."""

    boot_seconds: float = DEFAULT_BOOT_SECONDS
    port: int = 0
    next_seq: int = 1
    deposited_usd: float = DEFAULT_BALANCE_USD
    pods: dict[str, Pod] = {}
    volumes: dict[str, Volume] = {}
    ssh_keys: list[str] = []
    templates: dict[str, dict[str, Any]] = {}
    registries: dict[str, dict[str, str]] = {}
    stock: dict[str, dict[str, str]] = {}
    prices: dict[str, dict[str, float]] = {}
    faults: list[ArmedFault] = []
    struck: dict[str, int] = {}
    storm: dict[str, Any] = {}
