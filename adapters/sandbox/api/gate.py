"""What every request passes before it reaches a route: the edge, the key, the quota; and the headers of answers."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rpd.adapters.sandbox.api.answers import document, edge_page, problem
from rpd.adapters.sandbox.api.quota import SPENT_WINDOW, Quota, storm
from rpd.adapters.sandbox.cloud import faults
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel
from rpd.adapters.sandbox.cloud.problems import Problem, forbidden

ACCOUNT = "account"
GRAPHQL = "/graphql"

_BY_METHOD = {"POST": "create", "GET": "list", "PATCH": "patch", "DELETE": "delete", "PUT": "put"}


class Gate:
    """The ASGI application in front of the routes.

    `touch` is told of every request. A request that passes carries `scope["rpd_owner"]`: "account" or a pod's id.
    """

    def __init__(self, app: ASGIApp, cloud: CloudModel, key: str, touch: Callable[[], None]) -> None:
        self._app = app
        self._cloud = cloud
        self._key = key
        self._touch = touch
        self._quota = Quota()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._touch()
        path = scope["path"]
        # Both take the account's key and are none of REST: its quota and its faults are not for them.
        is_beside = path.startswith("/sandbox") or path == GRAPHQL
        if not is_beside and not path.startswith("/v2"):
            # The base address with and without /v2 is the same API.
            scope = {**scope, "path": f"/v2{path}", "raw_path": None}
        headers: dict[str, str] = {"x-request-id": f"req-{secrets.token_hex(12)}"}
        answer = None if is_beside else self._edge(scope)
        if answer is None:
            spent_window: str | None = None
            is_known = True
            try:
                scope["rpd_owner"] = self._admit(scope, is_beside)
            except Problem as error:
                is_known = error.status != 401
                spent_window = error.headers.pop(SPENT_WINDOW, None)
                answer = problem(error)
            if is_known and not is_beside:
                headers |= self._quota.headers(self._cloud.now(), spent_window)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        if answer is not None:
            await answer(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _admit(self, scope: Scope, is_beside: bool) -> str:
        """Who asks. Raises Problem: 401, 403 (out of the key's scope), 429."""
        owner = self._owner(Headers(scope=scope).get("authorization", ""))
        if is_beside:
            if owner != ACCOUNT:
                raise forbidden("this takes the account's key only")
            return owner
        fits = _matcher(scope)
        refused = faults.strike(self._cloud.state, "F9", fits=fits)
        if refused is not None:
            if refused.get("how") == "scope":
                raise forbidden()
            raise Problem(401, "invalid bearer token")
        now = self._cloud.now()
        storm(self._cloud.state, now, fits)
        self._quota.count(now)
        if owner != ACCOUNT and not _is_own_pod(scope, owner):
            raise forbidden()
        return owner

    def _owner(self, authorization: str) -> str:
        scheme, _, token = authorization.partition(" ")
        if not authorization or scheme.lower() != "bearer" or not token:
            raise Problem(401, "missing bearer token")
        if hmac.compare_digest(token.encode(), self._key.encode()):
            return ACCOUNT
        for pod in self._cloud.newest_first():
            if hmac.compare_digest(token.encode(), pod.key.encode()) and self._cloud.find(pod.id):
                return pod.id
        raise Problem(401, "invalid bearer token")

    def _edge(self, scope: Scope) -> Response | None:
        """The answer of something that stands before the API, when it is its turn."""
        agent = Headers(scope=scope).get("user-agent", "")
        fits = _matcher(scope)
        state = self._cloud.state
        if agent.lower().startswith("python-urllib") or faults.strike(state, "F10", fits=fits) is not None:
            return edge_page(403, "error code: 1010")
        page = faults.strike(state, "F33", fits=fits)
        if page is not None:
            status = int(page.get("how", "502"))
            return edge_page(status, f"{status} {'Bad Gateway' if status == 502 else 'Service Unavailable'}")
        if faults.strike(state, "F35", fits=fits) is not None:
            return document({"error": "something went wrong", "status": 400}, 400)
        return None


def operation(scope: Scope) -> str:
    """What a request is about, in the words of the option `on`: create, get, list, delete, patch, action, catalog."""
    parts = scope["path"].strip("/").split("/")[1:]
    if not parts:
        return "none"
    if parts[0] != "pods":
        return str(parts[0])
    if len(parts) == 3:
        return str(parts[2])
    kind = _BY_METHOD.get(scope["method"], "none")
    return "get" if kind == "list" and len(parts) == 2 else kind


def _matcher(scope: Scope) -> Callable[[dict[str, str]], bool]:
    what = operation(scope)

    def fits(options: dict[str, str]) -> bool:
        # The action itself stands in the body, which is not read yet: start, stop and restart all count as action.
        wanted = {"start": "action", "stop": "action", "restart": "action"}.get(
            options.get("on", "any"), options.get("on", "any")
        )
        return wanted in ("any", what)

    return fits


def _is_own_pod(scope: Scope, pod_id: str) -> bool:
    """Whether a pod-scoped key may do this: read, stop or delete its own pod (the action is checked by the route)."""
    parts = scope["path"].strip("/").split("/")[1:]
    if parts[:2] != ["pods", pod_id]:
        return False
    rest = parts[2:]
    return (scope["method"] in ("GET", "DELETE") and not rest) or (scope["method"] == "POST" and rest == ["action"])
