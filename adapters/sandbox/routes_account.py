"""The routes of the account: SSH keys, own templates and registries (always empty)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox.answers import document
from rpd.adapters.sandbox.bodies import SSH_KEYS, body_of, parse
from rpd.adapters.sandbox.cloud_model import CloudModel


def routes() -> list[Route]:
    """All of them."""
    return [
        Route("/v2/account/ssh-keys", get_keys, methods=["GET"]),
        Route("/v2/account/ssh-keys", put_keys, methods=["PUT"]),
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
    cloud.state.ssh_keys = list(parse(await body_of(request), SSH_KEYS)["keys"])
    cloud.save()
    return document({"keys": cloud.state.ssh_keys})


async def list_own_templates(request: Request) -> Response:
    """The account has none."""
    return document({"templates": []})


async def list_registries(request: Request) -> Response:
    """The account has none."""
    return document({"registries": []})
