"""The parts of the API's answers that we read. We read tolerantly, because the schema changes, and never invent an
absence.

Unknown fields and unknown words are fine. A missing or null part means "not known". Only the parts for identity and
proof are required: an `id` in every pod, the list in every listing.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar

import msgspec

from rpd.adapters.runpod.answer import Unreadable
from rpd.states.ports.volume import Volume
from rpd.states.ports.world import LEVELS, DataCenter, Offer, Pod, SshAddress

S = TypeVar("S", bound=msgspec.Struct)

STOPPED_OR_YOUNG = frozenset({"PROVISIONING", "STARTING", "EXITED", "ERROR", "TERMINATED"})
"""In these states an address or a runtime belongs to an earlier start."""
NO_GPU = "unknown"
"""A placeholder id in the catalog that names nothing."""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]{0,253})")
# The provider's inner network (RFC 6598). Such an address cannot be reached from outside.
_INNER = ip_network("100.64.0.0/10")


class _Gpu(msgspec.Struct):
    id: str | None = None
    count: int | None = None


class _Endpoint(msgspec.Struct):
    host: str | None = None
    port: int | None = None
    username: str | None = None


class _Ssh(msgspec.Struct):
    direct: Any = None


class _Port(msgspec.Struct):
    private: int | None = None
    public: int | None = None
    type: str | None = None
    ip: str | None = None


class _Runtime(msgspec.Struct):
    ports: Any = None
    gpus: Any = None


class _Use(msgspec.Struct):
    util: Any = None


class _Persistent(msgspec.Struct):
    size: int | None = None


class _Mounts(msgspec.Struct):
    persistent: Any = None
    network: Any = None


class _Network(msgspec.Struct, rename="camel"):
    volume_id: str


class _Pod(msgspec.Struct, rename="camel"):
    id: str
    name: str | None = None
    status: str | None = None
    image: str | None = None
    cost: Any = None
    env: Any = None
    gpu: Any = None
    data_center_id: str | None = None
    ssh: Any = None
    runtime: Any = None
    mounts: Any = None
    created_at: str | None = None
    started_at: str | None = None
    locked: Any = None


class _Pagination(msgspec.Struct, rename="camel"):
    next_cursor: str | None = None
    has_next_page: bool | None = None


class _Center(msgspec.Struct):
    id: str
    availability: str | None = None


class _GpuType(msgspec.Struct, rename="camel"):
    id: str
    name: Any = None
    memory: Any = None
    price: dict[str, Any] | None = None
    max_count: dict[str, Any] | None = None
    availability: str | None = None
    data_centers: Any = None
    secure: bool | None = None
    community: bool | None = None


class _Volume(msgspec.Struct, rename="camel"):
    id: str
    name: str | None = None
    size: int | None = None
    data_center: str | None = None
    type: str | None = None


class Mount(msgspec.Struct, frozen=True):
    """A pod that has a network volume mounted; a stopped pod has it too. `run_id` is from its environment."""

    volume_id: str
    pod_id: str
    name: str
    status: str
    run_id: str | None = None


class Named(msgspec.Struct, frozen=True):
    """Credentials of a registry."""

    id: str
    name: str | None = None


class _DataCenter(msgspec.Struct, rename="camel"):
    id: str
    name: Any = None
    region: Any = None
    gpu_availability: Any = None
    cpu_availability: Any = None
    network_volume_types: Any = None


class Page(msgspec.Struct, frozen=True):
    """The items of one page, undecoded, and where the next page begins (None: this was the last)."""

    items: tuple[msgspec.Raw, ...]
    next_cursor: str | None


def page(body: bytes, key: str) -> Page:
    """One page of a listing wrapped in `key`. Without the list there is no answer; it does not count as an empty
    list."""
    answered: dict[str, msgspec.Raw] = _decode(body, dict[str, msgspec.Raw], f"a listing of {key}")
    if key not in answered:
        raise Unreadable(f"no {key} in it")
    items: tuple[msgspec.Raw, ...] = _decode(answered[key], tuple[msgspec.Raw, ...], f"a list of {key}")
    more: _Pagination | None = _decode(answered.get("pagination") or b"null", _Pagination | None, "a pagination")
    if more is None or not more.has_next_page:
        return Page(items, None)
    if not more.next_cursor:
        raise Unreadable("more pages are announced, but none is named")
    return Page(items, more.next_cursor)


def pod(body: bytes | msgspec.Raw) -> Pod:
    """A pod."""
    answered: _Pod = _decode(body, _Pod, "a pod")
    if not answered.id:
        raise Unreadable("a pod without an id")
    status = answered.status or "UNKNOWN"
    is_live = status not in STOPPED_OR_YOUNG
    gpu = _part(answered.gpu, _Gpu)
    mounts = _part(answered.mounts, _Mounts)
    persistent = _part(mounts.persistent, _Persistent) if mounts else None
    return Pod(
        id=answered.id,
        name=answered.name or "",
        status=status,
        image=answered.image or "",
        usd_per_hour=_amount(answered.cost) or 0.0,
        env=_texts(answered.env),
        gpu_id=gpu.id if gpu else None,
        gpu_count=(gpu.count or 0) if gpu else 0,
        datacenter_id=answered.data_center_id,
        has_runtime=is_live and isinstance(answered.runtime, dict) and bool(answered.runtime),
        ssh=_address(answered) if is_live else None,
        volume_gb=(persistent.size or 0) if persistent else 0,
        created_at=answered.created_at,
        started_at=answered.started_at,
        is_locked=answered.locked is True,
    )


def pod_and_use(body: msgspec.Raw) -> tuple[Pod, float | None]:
    """A pod, and the present use of its GPUs in percent (their mean). None if it is not known."""
    found = pod(body)
    runtime = _part(_decode(body, _Pod, "a pod").runtime, _Runtime) if found.has_runtime else None
    gpus = [use for item in _list(runtime.gpus) if (use := _part(item, _Use))] if runtime else []
    known = [value for gpu in gpus if (value := _amount(gpu.util)) is not None and value <= 100.0]
    return found, sum(known) / len(known) if known else None


def offer(body: msgspec.Raw, cloud: str, gpu_count: int) -> Offer | None:
    """A GPU type as an offer of this cloud. A price of 0 means that it is not sold. None for an entry that is no
    type."""
    try:
        answered: _GpuType = _decode(body, _GpuType, "a GPU type")
    except Unreadable:
        return None  # stock is advice; a new kind of entry must not hide the others
    field = cloud.lower()
    price = _amount((answered.price or {}).get(field))
    if not answered.id or answered.id == NO_GPU:
        return None
    name, memory = _text(answered.name), _amount(answered.memory)
    memory_gb = round(memory) if memory and not isinstance(answered.memory, bool) else None
    if price == 0.0 or getattr(answered, field, None) is False:
        return Offer(answered.id, cloud, None, "NONE", name=name, memory_gb=memory_gb, is_sold=False)
    centers = [center for item in _list(answered.data_centers) if (center := _part(item, _Center))]
    ceiling = (answered.max_count or {}).get(field)
    is_too_many = isinstance(ceiling, int) and not isinstance(ceiling, bool) and 0 < ceiling < gpu_count
    # The two disagree at times, each in either direction. Only a create shows the truth.
    best = "NONE" if is_too_many else _best([answered.availability, *(center.availability for center in centers)])
    stocked = tuple(center.id for center in centers if center.availability not in (None, "NONE"))
    return Offer(answered.id, cloud, price, best, stocked, name, memory_gb)


def cpu_offer(body: msgspec.Raw) -> Offer | None:
    """A CPU flavor as an offer of the SECURE cloud, per vCPU. None for an entry that is no flavor."""
    try:
        answered: _GpuType = _decode(body, _GpuType, "a CPU flavor")
    except Unreadable:
        return None
    price = _amount((answered.price or {}).get("securePerVcpu"))
    if not answered.id or price == 0.0:
        return None
    centers = [center for item in _list(answered.data_centers) if (center := _part(item, _Center))]
    stocked = tuple(center.id for center in centers if center.availability not in (None, "NONE"))
    best = _best([answered.availability, *(each.availability for each in centers)])
    return Offer(answered.id, "SECURE", price, best, stocked, _text(answered.name))


def volume(body: bytes | msgspec.Raw) -> Volume:
    """A network volume."""
    found: _Volume = _decode(body, _Volume, "a network volume")
    if not found.id:
        raise Unreadable("a network volume without an id")
    return Volume(found.id, found.name, found.size, found.data_center, found.type)


def mounts(body: msgspec.Raw) -> tuple[Mount, ...]:
    """The network volumes that a pod has mounted. A deleted pod has none."""
    answered: _Pod = _decode(body, _Pod, "a pod")
    mounted = _part(answered.mounts, _Mounts)
    status = answered.status or "UNKNOWN"
    if mounted is None or status == "TERMINATED":
        return ()
    run_id = _texts(answered.env).get("RPD_RUN_ID")
    networks = [network for item in _list(mounted.network) if (network := _part(item, _Network))]
    return tuple(Mount(network.volume_id, answered.id, answered.name or "", status, run_id) for network in networks)


def named(body: msgspec.Raw) -> Named:
    """An object with an id."""
    found: Named = _decode(body, Named, "an entry with an id")
    return found


def data_center(body: msgspec.Raw) -> DataCenter:
    """A data center with its stock."""
    answered: _DataCenter = _decode(body, _DataCenter, "a data center")
    listed = [*_list(answered.gpu_availability), *_list(answered.cpu_availability)]
    centers = [each for item in listed if (each := _part(item, _Center))]
    stock = {each.id: each.availability for each in centers if each.availability in LEVELS}
    types = answered.network_volume_types
    known = tuple(each for each in types if isinstance(each, str)) if isinstance(types, list) else None
    return DataCenter(answered.id, stock, known, _text(answered.name), _text(answered.region))


def accepted(body: bytes) -> None:
    """The answer to an action: an object or nothing. Any other page does not count as accepted."""
    if body.strip():
        _decode(body, dict[str, Any], "the answer to an action")


def _address(answered: _Pod) -> SshAddress | None:
    """The direct address, else the public mapping of port 22. Never the proxy, because it runs no commands."""
    ssh = _part(answered.ssh, _Ssh)
    direct = _part(ssh.direct, _Endpoint) if ssh else None
    if direct is not None and (found := _reachable(direct.host, direct.port, direct.username)):
        return found
    runtime = _part(answered.runtime, _Runtime)
    for item in _list(runtime.ports) if runtime else []:
        port = _part(item, _Port)
        if port and port.private == 22 and port.type == "tcp" and (found := _reachable(port.ip, port.public, None)):
            return found
    return None


def _reachable(host: str | None, port: int | None, username: str | None) -> SshAddress | None:
    if not host or not port or not 0 < port < 65536 or not _HOST.fullmatch(host):
        return None
    try:
        if ip_address(host) in _INNER:
            return None
    except ValueError:
        pass  # a name, not an address
    return SshAddress(host, port, username if username and _HOST.fullmatch(username) else "root")


def _best(levels: list[str | None]) -> str:
    """The best of the levels that rpd knows. UNKNOWN if there is none."""
    known = [level for level in levels if level in LEVELS]
    return max(known, key=LEVELS.index, default="UNKNOWN")


def _amount(value: Any) -> float | None:
    """A price or rate in USD. None for any other value."""
    try:
        amount = msgspec.convert(value, float, strict=False)
    except msgspec.ValidationError:
        return None
    return amount if 0.0 <= amount < 1e6 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> dict[str, str]:
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _part(value: Any, kind: type[S]) -> S | None:
    """An optional part. A part in an unexpected form counts as missing."""
    if not isinstance(value, dict):
        return None
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return None


def _decode(body: bytes | msgspec.Raw, kind: Any, what: str) -> Any:
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    # Outside the handler, because the decoder's own text may quote the body.
    raise Unreadable(f"it is not {what}")
