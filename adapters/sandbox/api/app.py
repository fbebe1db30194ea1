"""The ASGI application: the routes behind the gate, and errors in the API's words."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from rpd.adapters.sandbox.api import (
    control,
    routes_account,
    routes_billing,
    routes_catalog,
    routes_graphql,
    routes_pods,
    routes_unserved,
    routes_volumes,
)
from rpd.adapters.sandbox.api.answers import problem
from rpd.adapters.sandbox.api.connections import Connections
from rpd.adapters.sandbox.api.gate import Gate
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel
from rpd.adapters.sandbox.cloud.problems import Problem, not_found


def build(
    cloud: CloudModel, connections: Connections, key: str, touch: Callable[[], None], shut_down: Callable[[], None]
) -> ASGIApp:
    """The application that serves this cloud to holders of `key`."""
    modules = (
        routes_unserved,
        routes_pods,
        routes_catalog,
        routes_account,
        routes_volumes,
        routes_billing,
        routes_graphql,
        control,
    )
    inner = Starlette(
        routes=[route for module in modules for route in module.routes()],
        exception_handlers={Problem: _on_problem, HTTPException: _on_http_exception, Exception: _on_fault},
    )
    inner.router.redirect_slashes = False
    inner.state.cloud = cloud
    inner.state.connections = connections
    inner.state.shut_down = shut_down
    return Gate(inner, cloud, key, touch)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(not_found())
    if error.status_code == 405:
        allow = ", ".join(_methods(request))
        return problem(Problem(405, "The requested method is not allowed for this path.", headers={"Allow": allow}))
    return problem(Problem(error.status_code, str(error.detail)))


async def _on_fault(request: Request, error: Exception) -> Response:
    """A fault of the sandbox itself, in the API's form; the server logs it."""
    return problem(Problem(500, "The sandbox failed; its log says how."))


def _methods(request: Request) -> list[str]:
    """The methods this path takes, over all routes of that path."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.methods and route.path_regex.match(request.scope["path"]):
            found |= route.methods - {"HEAD"}
    return sorted(found)
