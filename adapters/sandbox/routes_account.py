"""The routes of the account: SSH keys, network volumes, own templates and registries (always empty)."""

from __future__ import annotations

import secrets
import shutil
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox import catalog
from rpd.adapters.sandbox.answers import document
from rpd.adapters.sandbox.bodies import CREATE_VOLUME, SSH_KEYS, UPDATE_VOLUME, parse
from rpd.adapters.sandbox.cloud_model import CloudModel
from rpd.adapters.sandbox.model import TERMINATED, Volume
from rpd.adapters.sandbox.problems import bad_request, not_found


def routes() -> list[Route]:
    """All of them."""
    return [
        Route("/v2/account/ssh-keys", get_keys, methods=["GET"]),
        Route("/v2/account/ssh-keys", put_keys, methods=["PUT"]),
        Route("/v2/network-volumes", list_volumes, methods=["GET"]),
        Route("/v2/network-volumes", create_volume, methods=["POST"]),
        Route("/v2/network-volumes/{volume_id}", get_volume, methods=["GET"]),
        Route("/v2/network-volumes/{volume_id}", update_volume, methods=["PATCH"]),
        Route("/v2/network-volumes/{volume_id}", delete_volume, methods=["DELETE"]),
        Route("/v2/templates", list_own_templates, methods=["GET"]),
        Route("/v2/registries", list_registries, methods=["GET"]),
    ]


async def get_keys(request: Request) -> Response:
    """The account's SSH keys."""
    cloud: CloudModel = request.app.state.cloud
    return document({"keys": cloud.state.ssh_keys})


async def put_keys(request: Request) -> Response:
    """Replace all of them; pods that exist are not touched."""
    cloud: CloudModel = request.app.state.cloud
    cloud.state.ssh_keys = list(parse(await request.body(), SSH_KEYS)["keys"])
    cloud.save()
    return document({"keys": cloud.state.ssh_keys})


async def list_volumes(request: Request) -> Response:
    """All network volumes that exist."""
    cloud: CloudModel = request.app.state.cloud
    found = [_view(volume) for volume in cloud.state.volumes.values() if volume.until is None]
    return document({"networkVolumes": found})


async def create_volume(request: Request) -> Response:
    """A new network volume; it bills until it is deleted."""
    cloud: CloudModel = request.app.state.cloud
    body = parse(await request.body(), CREATE_VOLUME)
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
    cloud.state.volumes[volume.id] = volume
    cloud.save()
    return document(_view(volume), 201)


async def get_volume(request: Request) -> Response:
    """One network volume."""
    return document(_view(_require(request)))


async def update_volume(request: Request) -> Response:
    """Rename or grow it."""
    cloud: CloudModel = request.app.state.cloud
    volume = _require(request)
    body = parse(await request.body(), UPDATE_VOLUME)
    if body.get("size", volume.size) < volume.size:
        raise bad_request("network volume size cannot be reduced")
    volume.name, volume.size = body.get("name", volume.name), int(body.get("size", volume.size))
    cloud.save()
    return document(_view(volume))


async def delete_volume(request: Request) -> Response:
    """Delete it with its data; refused while a pod has it mounted."""
    cloud: CloudModel = request.app.state.cloud
    volume = _require(request)
    users = [
        pod.id for pod in cloud.state.pods.values() if pod.network_volume_id == volume.id and pod.status != TERMINATED
    ]
    if users:
        raise bad_request(f"network volume is in use by pod {users[0]}")
    volume.until = cloud.now()
    shutil.rmtree(cloud.home / "volumes" / volume.id, ignore_errors=True)
    cloud.save()
    return Response(status_code=204)


async def list_own_templates(request: Request) -> Response:
    """The account has none."""
    return document({"templates": []})


async def list_registries(request: Request) -> Response:
    """The account has none."""
    return document({"registries": []})


def _require(request: Request) -> Volume:
    cloud: CloudModel = request.app.state.cloud
    volume = cloud.state.volumes.get(request.path_params["volume_id"])
    if volume is None or volume.until is not None:
        raise not_found("network volume")
    return volume


def _view(volume: Volume) -> dict[str, Any]:
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "dataCenter": volume.datacenter,
        "type": volume.type,
    }
