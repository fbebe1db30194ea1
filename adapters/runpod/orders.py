"""The bodies that we send to the API: exactly the fields of its schema, checked here, where a mistake costs nothing.

`gpu.count` and `disk` are optional in the schema and always sent: without them the order is placed nowhere and the
refusal looks like a lack of machines.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import UNSET, UnsetType

from rpd.engine.errors import Refused
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import PodOrder

SSH_PORT = "22/tcp"
BODY_LIMIT = 102_400
NAME_LIMIT = 191
ENV_LIMIT = 50
SMALLEST_VOLUME_GB = 10
LARGEST_NETWORK_VOLUME_GB = 4096

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class _Gpu(msgspec.Struct, rename="camel"):
    id: str
    count: int
    min_cuda_version: str | UnsetType = UNSET
    allowed_cuda_versions: list[str] | UnsetType = UNSET
    min_ram_per_gpu: int | UnsetType = UNSET
    min_vcpu_count_per_gpu: int | UnsetType = UNSET


class _Cpu(msgspec.Struct, rename="camel"):
    id: str
    vcpu_count: int


class _Persistent(msgspec.Struct):
    size: int
    path: str


class _Network(msgspec.Struct, rename="camel"):
    volume_id: str
    path: str


class _Mounts(msgspec.Struct):
    persistent: _Persistent | UnsetType = UNSET
    network: list[_Network] | UnsetType = UNSET


class _CreateVolume(msgspec.Struct, rename="camel"):
    name: str
    size: int
    data_center: str
    type: str


class _CreatePod(msgspec.Struct, rename="camel"):
    name: str
    cloud: str
    disk: int
    ports: list[str]
    env: dict[str, str]
    image: str | UnsetType = UNSET
    gpu: _Gpu | UnsetType = UNSET
    cpu: _Cpu | UnsetType = UNSET
    template_id: str | UnsetType = UNSET
    registry: str | UnsetType = UNSET
    data_center_ids: list[str] | UnsetType = UNSET
    mounts: _Mounts | UnsetType = UNSET
    args: str | UnsetType = UNSET


def create_body(order: PodOrder) -> bytes:
    """The body of `POST /v2/pods`. Refused (`invalid`) for an order that the API is known not to take."""
    for complaint in _complaints(order):
        raise Refused(f"the order is not placed: {complaint}", reason=Fault.INVALID)
    body = msgspec.json.encode(
        _CreatePod(
            name=order.name,
            image=order.image or UNSET,
            cloud=order.cloud,
            gpu=_gpu(order),
            cpu=UNSET if order.cpu_id is None else _Cpu(order.cpu_id, order.vcpu_count),
            template_id=order.template_id or UNSET,
            registry=order.registry_id or UNSET,
            disk=order.disk_gb,
            ports=list(order.ports if SSH_PORT in order.ports else (*order.ports, SSH_PORT)),
            env=order.env,
            data_center_ids=list(order.datacenter_ids) or UNSET,
            mounts=_mounts(order),
            args=UNSET if order.args is None else order.args,
        )
    )
    if len(body) > BODY_LIMIT:
        raise Refused(f"the order is not placed: {len(body)} bytes, {BODY_LIMIT} at most", reason=Fault.INVALID)
    return body


def action_body(action: str) -> bytes:
    """The body of `POST /v2/pods/{id}/action`."""
    return msgspec.json.encode({"action": action})


def pod_path(pod_id: str, suffix: str = "") -> str:
    """The path of one pod. Refused for an id that could name anything else."""
    if not _ID.fullmatch(pod_id):
        raise Refused("this is no pod id", reason=Fault.INVALID)
    return f"/v2/pods/{pod_id}{suffix}"


def template_path(template_id: str) -> str:
    """The path of one template. Refused for an id that could name anything else."""
    if not _ID.fullmatch(template_id):
        raise Refused(f"{template_id!r} is not a template id", reason=Fault.NOT_FOUND)
    return f"/v2/templates/{template_id}"


def volume_body(name: str, size_gb: int, datacenter: str, kind: str) -> bytes:
    """The body of `POST /v2/network-volumes`. The kind of storage is always named: the price depends on it, and the
    default differs between data centers."""
    return msgspec.json.encode(_CreateVolume(name, size_gb, datacenter, kind))


def volume_size_body(size_gb: int) -> bytes:
    """The body of `PATCH /v2/network-volumes/{id}`."""
    return msgspec.json.encode({"size": size_gb})


def volume_path(volume_id: str) -> str:
    """The path of one network volume. Refused for an id that could name anything else."""
    if not _ID.fullmatch(volume_id):
        raise Refused(f"{volume_id!r} is not the id of a network volume", reason=Fault.INVALID)
    return f"/v2/network-volumes/{volume_id}"


def _gpu(order: PodOrder) -> _Gpu | UnsetType:
    if order.cpu_id is not None:
        return UNSET
    versions = list(order.allowed_cuda_versions) or UNSET
    return _Gpu(
        order.gpu_id,
        order.gpu_count,
        order.min_cuda_version or UNSET,
        versions,
        order.min_memory_gb_per_gpu or UNSET,
        order.min_vcpus_per_gpu or UNSET,
    )


def _mounts(order: PodOrder) -> _Mounts | UnsetType:
    if order.network_volume_id is not None:
        return _Mounts(network=[_Network(order.network_volume_id, order.volume_path)])
    if order.volume_gb is not None:
        return _Mounts(persistent=_Persistent(order.volume_gb, order.volume_path))
    return UNSET


def _complaints(order: PodOrder) -> list[str]:
    """What is wrong with the order, the most helpful complaint first."""
    checks = (
        (not 0 < len(order.name) <= NAME_LIMIT, f"the name needs 1 to {NAME_LIMIT} characters"),
        (not order.image and not order.template_id, "no image is named, and no template"),
        (order.disk_gb < 1 or (order.gpu_count < 1 and order.cpu_id is None), "GPU count and disk start at 1"),
        (order.cpu_id is not None and bool(order.gpu_id), "a pod has either GPUs or a CPU flavor"),
        (order.cpu_id is not None and not _is_power_of_two(order.vcpu_count), "vCPUs are a power of two, from 2"),
        (order.cpu_id is not None and order.volume_gb is not None, "CPU pods have no volume disk"),
        (order.cpu_id is not None and order.cloud != "SECURE", "CPU pods are of the SECURE cloud only"),
        (
            order.min_cuda_version is not None and bool(order.allowed_cuda_versions),
            "a lowest CUDA version and a list of them exclude each other",
        ),
        (
            order.cpu_id is not None and (order.min_memory_gb_per_gpu or order.min_vcpus_per_gpu) is not None,
            "floors of memory and vCPUs are for GPU pods; a CPU flavor has its own",
        ),
        (len(order.env) > ENV_LIMIT, f"{len(order.env)} environment variables, {ENV_LIMIT} at most"),
        (order.args == "", "empty args would switch off the image's own start command"),
        (
            order.volume_gb is not None and order.network_volume_id is not None,
            "a volume disk and a network volume exclude each other",
        ),
        (
            order.volume_gb is not None and order.volume_gb < SMALLEST_VOLUME_GB,
            f"a volume disk has at least {SMALLEST_VOLUME_GB} GB",
        ),
        (
            order.network_volume_id is not None and order.cloud != "SECURE",
            "network volumes exist in the SECURE cloud only",
        ),
    )
    return [complaint for is_wrong, complaint in checks if is_wrong]


def _is_power_of_two(number: int) -> bool:
    return number >= 2 and number & (number - 1) == 0
