"""Pods as the API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rpd.adapters.sandbox.cloud.model import ERROR, EXITED, LIVE, PROVISIONING, RUNNING, STARTING, Pod

PUBLIC_HOST = "127.0.0.1"
CUDA_OF_HOSTS = "12.8"

_ACTIONS = {
    PROVISIONING: ["stop", "terminate"],
    STARTING: ["stop", "terminate"],
    RUNNING: ["stop", "restart", "terminate"],
    EXITED: ["start", "terminate"],
    ERROR: ["start", "terminate"],
}


def allowed_actions(status: str) -> list[str]:
    """The actions a pod of this status takes."""
    return list(_ACTIONS.get(status, []))


def utc(moment: float) -> str:
    """A moment as RFC 3339 with milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pod_view(pod: Pod, now: float) -> dict[str, Any]:
    """The pod's JSON at this moment."""
    view: dict[str, Any] = {
        "id": pod.id,
        "name": pod.name,
        "status": pod.status,
        "actions": allowed_actions(pod.status),
        "image": pod.image,
        "args": pod.args,
        "disk": pod.disk,
        "mounts": mounts_view(pod),
        "ports": pod.ports,
        "env": pod.env,
        "registry": pod.registry,
        "cloud": pod.cloud,
        "dataCenterId": pod.datacenter if pod.is_placed else None,
        "cudaVersion": CUDA_OF_HOSTS if pod.is_placed and pod.gpu_id else None,
        "ssh": {"proxy": _proxy(pod), "direct": _direct(pod, now)},
        "template": None,
        "cost": pod.compute_rate if pod.is_live else 0.0,
        "locked": pod.is_locked,
        "globalNetworking": {"enabled": pod.has_global_network},
        "runtime": _runtime(pod, now),
        "createdAt": utc(pod.created_at),
        "startedAt": utc(pod.started_at) if pod.started_at is not None else None,
    }
    if pod.gpu_id is not None:
        view["gpu"] = {"id": pod.gpu_id, "count": pod.gpus_given, "memory": pod.memory, "vcpuCount": pod.vcpus}
    else:
        view["cpu"] = {"id": pod.cpu_id, "vcpuCount": pod.vcpus, "memory": pod.memory}
    return view


def mounts_view(pod: Pod) -> dict[str, Any]:
    """The pod's mounts as the API shows them."""
    if pod.network_volume_id is not None:
        return {"network": [{"volumeId": pod.network_volume_id, "path": pod.volume_path}]}
    if pod.persistent_gb is not None:
        return {"persistent": {"size": pod.persistent_gb, "path": pod.volume_path}}
    return {}


def _proxy(pod: Pod) -> dict[str, Any] | None:
    if not pod.is_placed or pod.status not in LIVE:
        return None
    username = f"{pod.id}-64411eb2"
    return {"host": "ssh.runpod.io", "port": 22, "username": username, "command": f"ssh {username}@ssh.runpod.io"}


def _direct(pod: Pod, now: float) -> dict[str, Any] | None:
    port = pod.ssh_port
    if pod.stale_port is not None and now < pod.stale_until and pod.status in (STARTING, RUNNING):
        port = pod.stale_port
    elif pod.status != RUNNING or _holds(pod, "F18", now) or _holds(pod, "F36", now):
        return None
    if port is None:
        return None
    command = f"ssh root@{PUBLIC_HOST} -p {port}"
    return {"host": PUBLIC_HOST, "port": port, "username": "root", "command": command}


def _runtime(pod: Pod, now: float) -> dict[str, Any] | None:
    if pod.status != RUNNING:
        return None
    how = pod.afflictions["F17"].get("how", "null") if _holds(pod, "F17", now) else ""
    if how == "null":
        return None
    if how == "empty":
        return {}
    is_idle = how == "zero" or _holds(pod, "F36", now)
    address = _direct(pod, now)
    ports = [] if address is None else [{"private": 22, "public": address["port"], "type": "tcp", "ip": PUBLIC_HOST}]
    ports += [
        {"private": int(port.partition("/")[0]), "public": None, "type": "http", "ip": "100.65.0.1"}
        for port in pod.ports
        if port.endswith("/http")
    ]
    uptime = 0 if is_idle or pod.container_at is None else max(0, int(now - pod.container_at))
    return {
        "uptime": uptime,
        "gpus": [{"util": 0, "memoryUtil": 0} for _ in range(pod.gpus_given)],
        "cpu": {"util": 1},
        "memory": {"util": 1},
        "ports": ports,
    }


def _holds(pod: Pod, fault_id: str, now: float) -> bool:
    """Whether a fault that clings to this pod still holds it."""
    options = pod.afflictions.get(fault_id)
    return options is not None and ("until" not in options or now < float(options["until"]))
