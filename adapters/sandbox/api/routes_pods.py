"""The routes under /v2/pods."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox.api.answers import Broken, document
from rpd.adapters.sandbox.api.connections import Connections
from rpd.adapters.sandbox.api.gate import ACCOUNT
from rpd.adapters.sandbox.api.logs import stream_logs
from rpd.adapters.sandbox.api.views import mounts_view, pod_view
from rpd.adapters.sandbox.cloud import faults, placement
from rpd.adapters.sandbox.cloud.bodies import POD_ACTION, UPDATE_POD, body_of, parse, whole_number
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel, refuse_locked
from rpd.adapters.sandbox.cloud.model import TERMINATED, Pod
from rpd.adapters.sandbox.cloud.problems import Problem, bad_request, conflict, forbidden, not_found, unprocessable

_MAX_PAGE = 1000
_SOMETHING_WRONG = "Something went wrong. Please try again later or contact support."


def routes() -> list[Route]:
    """All of them."""
    return [
        Route("/v2/pods", list_pods, methods=["GET"]),
        Route("/v2/pods", create_pod, methods=["POST"]),
        Route("/v2/pods/{pod_id}", get_pod, methods=["GET"]),
        Route("/v2/pods/{pod_id}", update_pod, methods=["PATCH"]),
        Route("/v2/pods/{pod_id}", delete_pod, methods=["DELETE"]),
        Route("/v2/pods/{pod_id}/action", act_on_pod, methods=["POST"]),
        Route("/v2/pods/{pod_id}/logs", stream_logs, methods=["GET"]),
    ]


async def list_pods(request: Request) -> Response:
    """One page of pods, the newest first."""
    cloud: CloudModel = request.app.state.cloud
    paging = faults.strike(cloud.state, "F32")
    limit = whole_number("limit", request.query_params.get("limit", str(_MAX_PAGE)), 1, _MAX_PAGE)
    if paging is not None and paging.get("how", "short") == "short":
        limit = 1
    before = _cursor(cloud, request.query_params.get("cursor"))
    now = cloud.now()
    shown = [
        pod
        for pod in cloud.newest_first()
        if (before is None or pod.seq < before) and _is_shown(pod, now) and now >= pod.hidden_list_until
    ]
    page = shown[:limit]
    has_next = len(shown) > limit
    content: dict[str, Any] = {"pods": [_view(cloud, pod, now) for pod in page]}
    if paging is None or paging.get("how") != "absent":
        following = base64.urlsafe_b64encode(f"seq:{page[-1].seq}".encode()).decode() if has_next else None
        content["pagination"] = {"nextCursor": following, "hasNextPage": has_next}
    return document(content)


async def create_pod(request: Request) -> Response:
    """Rent a pod. Faults may lie about what happened."""
    cloud: CloudModel = request.app.state.cloud
    connections: Connections = request.app.state.connections
    order = placement.order(cloud.state, await body_of(request), cloud.now())
    made = faults.strike(cloud.state, "F12")
    failed = faults.strike(cloud.state, "F13") if made is None else None
    cloud.save()
    if made is not None:
        pod = _admit_after(cloud, order, made.get("delay", "0"))
        return _unbelievable(connections, made, _view(cloud, pod or order, cloud.now()))
    if failed is not None:
        if "delay" in failed:
            _admit_after(cloud, order, failed["delay"])
        return _unbelievable(connections, failed, None)
    pod = _admit(cloud, order)
    twin = faults.strike(cloud.state, "F15")
    if twin is not None:
        _admit_after(cloud, order, twin.get("delay", "0"))
    return document(_view(cloud, pod, cloud.now()), 201)


async def get_pod(request: Request) -> Response:
    """One pod."""
    cloud: CloudModel = request.app.state.cloud
    pod = cloud.state.pods.get(request.path_params["pod_id"])
    now = cloud.now()
    if pod is None or not _is_shown(pod, now) or now < pod.hidden_get_until:
        raise not_found("pod")
    return document(_view(cloud, pod, now))


async def update_pod(request: Request) -> Response:
    """Change a pod's settings; most of them recreate its container."""
    cloud: CloudModel = request.app.state.cloud
    pod = _require(cloud, request)
    body = parse(await body_of(request), UPDATE_POD)
    placement.check_container(body, cloud.state)
    _check_mounts(pod, body.get("mounts") or {})
    pod.name = body.get("name", pod.name)
    pod.is_locked = body.get("locked", pod.is_locked)
    pod.has_global_network = body.get("globalNetworking", pod.has_global_network)
    if "registry" in body:
        pod.registry = body["registry"]
    recreating = [name for name in ("image", "args", "ports", "env", "disk") if name in body]
    for name in recreating:
        setattr(pod, name, body[name])
    persistent = (body.get("mounts") or {}).get("persistent")
    if persistent is not None:
        pod.persistent_gb, pod.volume_path = int(persistent["size"]), persistent["path"]
    if recreating:
        await cloud.recreate(pod)
    cloud.save()
    return document(_view(cloud, pod, cloud.now()))


async def delete_pod(request: Request) -> Response:
    """Delete a pod. Fault F29 may lie about it."""
    cloud: CloudModel = request.app.state.cloud
    return await _delete(cloud, _require(cloud, request))


async def act_on_pod(request: Request) -> Response:
    """Start, stop, restart or terminate a pod."""
    cloud: CloudModel = request.app.state.cloud
    pod = _require(cloud, request)
    if faults.strike(cloud.state, "F24", pod) is not None:
        raise unprocessable("$.action: value must be one of 'start', 'stop', 'restart', 'terminate'")
    action = parse(await body_of(request), POD_ACTION)["action"]
    if request.scope["rpd_owner"] != ACCOUNT and action not in ("stop", "terminate"):
        raise forbidden()
    if faults.strike(cloud.state, "F23", pod) is not None:
        raise conflict(f"action {action} is not valid for a pod that is {pod.status}")
    if action == "terminate":
        return await _delete(cloud, pod)
    lie = faults.strike(cloud.state, "F29", pod, fits=lambda o: o.get("on") == action)
    how = None if lie is None else lie.get("how", "5xx")
    if how != "ignored":
        acts = {"start": cloud.start, "restart": cloud.restart, "stop": cloud.stop}
        await acts[action](pod)
    if how == "5xx":
        raise Problem(500, _SOMETHING_WRONG)
    return document(_view(cloud, pod, cloud.now()))


async def _delete(cloud: CloudModel, pod: Pod) -> Response:
    refuse_locked(pod)
    lie = faults.strike(cloud.state, "F29", pod, fits=lambda o: o.get("on", "delete") == "delete")
    how = "" if lie is None else lie.get("how", "5xx")
    if how == "late404":
        raise not_found("pod")
    if how == "ignored":
        return Response(status_code=204)
    if lie is not None and how == "linger":
        pod.lingers_until = cloud.now() + faults.number(lie, "seconds", 2.0)
    await cloud.delete(pod)
    if how == "5xx":
        raise Problem(500, _SOMETHING_WRONG)
    return Response(status_code=204)


def _admit(cloud: CloudModel, order: Pod) -> Pod:
    hidden = faults.strike(cloud.state, "F14")
    pod = cloud.admit(order)
    if hidden is not None:
        until = cloud.now() + faults.number(hidden, "lag", 2.0)
        what = hidden.get("what", "both")
        pod.hidden_get_until = until if what in ("both", "get") else 0.0
        pod.hidden_list_until = until if what in ("both", "list") else 0.0
        cloud.save()
    return pod


def _admit_after(cloud: CloudModel, order: Pod, delay: str) -> Pod | None:
    if float(delay) <= 0:
        return _admit(cloud, order)

    async def admit() -> None:
        _admit(cloud, order)

    cloud.errands.later(float(delay), admit)
    return None


def _unbelievable(connections: Connections, options: dict[str, str], content: Any) -> Response:
    how = options.get("how", "500")
    if how in ("500", "502"):
        raise Problem(int(how), _SOMETHING_WRONG)
    return Broken(connections, how, faults.number(options, "seconds", 60.0), content)


def _require(cloud: CloudModel, request: Request) -> Pod:
    pod = cloud.find(request.path_params["pod_id"])
    if pod is None or cloud.now() < pod.hidden_get_until:
        raise not_found("pod")
    return pod


def _is_shown(pod: Pod, now: float) -> bool:
    return pod.status != TERMINATED or now < pod.lingers_until


def _view(cloud: CloudModel, pod: Pod, now: float) -> dict[str, Any]:
    view = pod_view(pod, now)
    drift = faults.strike(cloud.state, "F34", pod)
    how = None if drift is None else drift.get("how", "extra")
    if how == "extra":
        view["telemetry"] = {"region": "sandbox"}
    elif how == "status":
        view["status"] = "MIGRATING"
    elif how == "null":
        view["ssh"], view["mounts"] = None, None
    return view


def _check_mounts(pod: Pod, mounts: dict[str, Any]) -> None:
    if not mounts:
        return
    current = mounts_view(pod)
    if set(mounts) != set(current):
        raise bad_request("the kind of a mount cannot be changed")
    if "network" in mounts and (
        len(mounts["network"]) != 1 or mounts["network"][0]["volumeId"] != pod.network_volume_id
    ):
        raise bad_request("mounts.network.volumeId cannot be changed")
    if "persistent" in mounts and mounts["persistent"]["size"] < (pod.persistent_gb or 0):
        raise bad_request("mounts.persistent.size cannot be reduced")


def _cursor(cloud: CloudModel, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        kind, _, number = base64.urlsafe_b64decode(text.encode()).decode().partition(":")
        seq = int(number)
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise unprocessable("cursor: not a cursor of this list") from error
    if kind != "seq" or not 0 < seq < cloud.state.next_seq:
        raise unprocessable("cursor: not a cursor of this list")
    return seq
