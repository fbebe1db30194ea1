"""What RunPod's API has and the sandbox does not: an answer that says so, since an empty one would be believed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox.cloud.problems import Problem

_METHODS = ["GET", "POST", "PATCH", "DELETE"]
_AREAS = ("clusters", "serverless", "registries/delegations", "global-volumes")
_BILLS = ("serverless", "endpoints", "clusters")


def routes() -> list[Route]:
    """All of them, to stand before routes with a parameter in the same place."""
    areas = [Route(f"/v2/{area}{rest}", refuse, methods=_METHODS) for area in _AREAS for rest in ("", "/{rest:path}")]
    return areas + [Route(f"/v2/billing/{bill}", refuse, methods=["GET"]) for bill in _BILLS]


async def refuse(request: Request) -> Response:
    """Say what is not to be had here."""
    raise Problem(501, f"The sandbox does not serve {request.method} {request.url.path}; RunPod's own API does.")
