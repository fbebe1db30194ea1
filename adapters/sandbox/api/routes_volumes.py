"""The routes under /v2/network-volumes. Fault F41 may lie about what they did."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox.api.answers import Broken, document, whole_list
from rpd.adapters.sandbox.api.connections import Connections
from rpd.adapters.sandbox.cloud import catalog, faults
from rpd.adapters.sandbox.cloud.bodies import CREATE_VOLUME, UPDATE_VOLUME, body_of, parse
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel
from rpd.adapters.sandbox.cloud.model import TERMINATED, Volume
from rpd.adapters.sandbox.cloud.problems import Problem, bad_request, not_found

_SOMETHING_WRONG = "Something went wrong. Please try again later or contact support."


def routes() -> list[Route]:
    """All of them."""
    return [
        Route("/v2/network-volumes", list_volumes, methods=["GET"]),
        Route("/v2/network-volumes", create_volume, methods=["POST"]),
        Route("/v2/network-volumes/{volume_id}", get_volume, methods=["GET"]),
        Route("/v2/network-volumes/{volume_id}", update_volume, methods=["PATCH"]),
        Route("/v2/network-volumes/{volume_id}", delete_volume, methods=["DELETE"]),
    ]


async def list_volumes(request: Request) -> Response:
    """All network volumes that exist."""
    cloud: CloudModel = request.app.state.cloud
    found = [_view(volume) for volume in cloud.state.volumes.values() if _is_shown(volume, cloud.now())]
    return whole_list("networkVolumes", found)


async def create_volume(request: Request) -> Response:
    """A new network volume; it bills until it is deleted."""
    cloud: CloudModel = request.app.state.cloud
    body = parse(await body_of(request), CREATE_VOLUME)
    place = catalog.shipped().data_center(body["dataCenter"])
    if place is None or not place.network_volume_types:
        able = [item.id for item in catalog.shipped().data_centers if item.network_volume_types]
        raise bad_request(f"data center does not support network volumes; valid data centers: {', '.join(able)}")
    kind = body.get("type", place.network_volume_types[0])
    if kind not in place.network_volume_types:
        raise bad_request(f"{place.id} does not offer {kind} network volumes")
    volume = Volume(
        id=secrets.token_hex(5),
        name=body["name"],
        size=int(body["size"]),
        datacenter=place.id,
        type=kind,
        since=cloud.now(),
    )

    def make(fault: dict[str, str]) -> None:
        volume.hidden_until = cloud.now() + faults.number(fault, "delay", 0.0)
        cloud.state.volumes[volume.id] = volume

    return _done(request, "create", make, lambda: document(_view(volume), 201))


async def get_volume(request: Request) -> Response:
    """One network volume."""
    return document(_view(_require(request)))


async def update_volume(request: Request) -> Response:
    """Rename it, or make it larger; a smaller size is refused."""
    volume = _require(request)
    body = parse(await body_of(request), UPDATE_VOLUME)
    if body.get("size", volume.size) < volume.size:
        raise bad_request("network volume size cannot be reduced")

    def change(_fault: dict[str, str]) -> None:
        volume.name = body.get("name", volume.name)
        volume.resize(int(body.get("size", volume.size)), request.app.state.cloud.now())

    return _done(request, "grow", change, lambda: document(_view(volume)))


async def delete_volume(request: Request) -> Response:
    """Delete it with its data; refused while a pod has it mounted, stopped ones included."""
    cloud: CloudModel = request.app.state.cloud
    volume = _require(request)
    users = [
        pod.id for pod in cloud.state.pods.values() if pod.network_volume_id == volume.id and pod.status != TERMINATED
    ]
    if users:
        raise bad_request(f"network volume is in use by pod {users[0]}")

    def delete(_fault: dict[str, str]) -> None:
        volume.until = cloud.now()
        shutil.rmtree(cloud.home / "volumes" / volume.id, ignore_errors=True)

    return _done(request, "delete", delete, lambda: Response(status_code=204))


def _done(
    request: Request, what: str, act: Callable[[dict[str, str]], None], answer: Callable[[], Response]
) -> Response:
    """Do it and say so, unless fault F41 has it otherwise."""
    cloud: CloudModel = request.app.state.cloud
    connections: Connections = request.app.state.connections
    fault = faults.strike(cloud.state, "F41", fits=lambda options: options.get("on", "create") == what)
    how = "" if fault is None else fault.get("how", "500")
    if how != "ignored" and (fault is None or fault.get("done", "yes") == "yes"):
        act(fault or {})
    cloud.save()
    if fault is None or how == "ignored":
        return answer()
    if how in ("500", "502"):
        raise Problem(int(how), _SOMETHING_WRONG)
    return Broken(connections, how, faults.number(fault, "seconds", 60.0), {"id": "cut short"})


def _require(request: Request) -> Volume:
    cloud: CloudModel = request.app.state.cloud
    volume = cloud.state.volumes.get(request.path_params["volume_id"])
    if volume is None or not _is_shown(volume, cloud.now()):
        raise not_found("network volume")
    return volume


def _is_shown(volume: Volume, now: float) -> bool:
    return volume.until is None and now >= volume.hidden_until


def _view(volume: Volume) -> dict[str, Any]:
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "dataCenter": volume.datacenter,
        "type": volume.type,
    }
