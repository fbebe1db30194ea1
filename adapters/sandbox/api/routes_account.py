"""The routes of the account: SSH keys, its own templates, and credentials of registries, which can be written only."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox.api.answers import document, whole_list
from rpd.adapters.sandbox.cloud import catalog
from rpd.adapters.sandbox.cloud.bodies import (
    CREATE_REGISTRY,
    CREATE_TEMPLATE,
    SSH_KEYS,
    UPDATE_TEMPLATE,
    body_of,
    parse,
)
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel
from rpd.adapters.sandbox.cloud.model import TERMINATED, State
from rpd.adapters.sandbox.cloud.placement import check_container
from rpd.adapters.sandbox.cloud.problems import bad_request, not_found

_TEMPLATE: dict[str, Any] = {
    "args": "",
    "disk": 50,
    "mounts": {},
    "ports": [],
    "env": {},
    "registry": None,
    "serverless": False,
    "public": False,
    "category": "NVIDIA",
    "startSsh": True,
    "startJupyter": True,
    "allowedCudaVersions": [],
}
"""What a template says where its request does not."""


def routes() -> list[Route]:
    """All of them."""
    return [
        Route("/v2/account/ssh-keys", get_keys, methods=["GET"]),
        Route("/v2/account/ssh-keys", put_keys, methods=["PUT"]),
        Route("/v2/templates", list_templates, methods=["GET"]),
        Route("/v2/templates", create_template, methods=["POST"]),
        Route("/v2/templates/{template_id}", get_template, methods=["GET"]),
        Route("/v2/templates/{template_id}", update_template, methods=["PATCH"]),
        Route("/v2/templates/{template_id}", delete_template, methods=["DELETE"]),
        Route("/v2/registries", list_registries, methods=["GET"]),
        Route("/v2/registries", create_registry, methods=["POST"]),
        Route("/v2/registries/{registry_id}", get_registry, methods=["GET"]),
        Route("/v2/registries/{registry_id}", delete_registry, methods=["DELETE"]),
    ]


async def get_keys(request: Request) -> Response:
    """The account's SSH keys."""
    return document({"keys": _state(request).ssh_keys})


async def put_keys(request: Request) -> Response:
    """Replace all of them; pods that exist are not touched."""
    state = _state(request)
    state.ssh_keys = list(parse(await body_of(request), SSH_KEYS)["keys"])
    _save(request)
    return document({"keys": state.ssh_keys})


async def list_templates(request: Request) -> Response:
    """The account's own templates."""
    return whole_list("templates", list(_state(request).templates.values()))


async def create_template(request: Request) -> Response:
    """A new template of the account."""
    state = _state(request)
    body = parse(await body_of(request), CREATE_TEMPLATE)
    check_container(body, state)
    template = {"id": secrets.token_hex(5), **_TEMPLATE, **body}
    state.templates[template["id"]] = template
    _save(request)
    return document(template, 201)


async def get_template(request: Request) -> Response:
    """A template of the account, or a public one."""
    wanted = request.path_params["template_id"]
    found = _state(request).templates.get(wanted) or catalog.public_template(wanted)
    if found is None:
        raise not_found("template")
    return document(found)


async def update_template(request: Request) -> Response:
    """Change an own template; pods that were made of it are not touched."""
    state, template = _state(request), _own_template(request)
    body = parse(await body_of(request), UPDATE_TEMPLATE)
    check_container(body, state)
    template.update(body | ({} if body.get("mounts") else {"mounts": template["mounts"]}))
    _save(request)
    return document(template)


async def delete_template(request: Request) -> Response:
    """Delete an own template."""
    template = _own_template(request)
    del _state(request).templates[template["id"]]
    _save(request)
    return Response(status_code=204)


async def list_registries(request: Request) -> Response:
    """The credentials that the account has, by name."""
    return whole_list("registries", list(_state(request).registries.values()))


async def create_registry(request: Request) -> Response:
    """New credentials. The sandbox pulls no image, so it keeps their name alone."""
    body = parse(await body_of(request), CREATE_REGISTRY)
    registry = {"id": secrets.token_hex(5), "name": body["name"]}
    _state(request).registries[registry["id"]] = registry
    _save(request)
    return document(registry, 201)


async def get_registry(request: Request) -> Response:
    """One of them."""
    return document(_own_registry(request))


async def delete_registry(request: Request) -> Response:
    """Delete credentials; refused while a pod or a template names them."""
    state, registry = _state(request), _own_registry(request)
    pods = [pod.registry for pod in state.pods.values() if pod.status != TERMINATED]
    if registry["id"] in (*pods, *(template["registry"] for template in state.templates.values())):
        raise bad_request("registry auth is in use")
    del state.registries[registry["id"]]
    _save(request)
    return Response(status_code=204)


def _own_template(request: Request) -> dict[str, Any]:
    template = _state(request).templates.get(request.path_params["template_id"])
    if template is None:
        raise not_found("template")
    return template


def _own_registry(request: Request) -> dict[str, str]:
    registry = _state(request).registries.get(request.path_params["registry_id"])
    if registry is None:
        raise not_found("registry auth")
    return registry


def _state(request: Request) -> State:
    cloud: CloudModel = request.app.state.cloud
    return cloud.state


def _save(request: Request) -> None:
    cloud: CloudModel = request.app.state.cloud
    cloud.save()
