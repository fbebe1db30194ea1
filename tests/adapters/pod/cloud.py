"""A tiny cloud: the few answers the switch asks for, over real HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

from tests.adapters.pod.local_shell import KEY, POD_ID
from tests.fakes.http_server import Answer, HttpServer


class Cloud:
    """`calls` are the mutations that came in with the right key, as "POST stop" or "DELETE"; `refuse` the codes that
    the next requests get, `started` the pod's start in UTC seconds (None: not told)."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.seen: list[str] = []
        self.refuse: list[int] = []
        self.started: float | None = 0.0
        self._server = HttpServer(self.take)
        self.url = f"{self._server.url}/v2"
        self.close = self._server.close

    def take(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        self.seen.append(f"{request.command} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return _answer(401, {"title": "no"})
        if self.refuse:
            return _answer(self.refuse.pop(0), {"title": "refused"})
        here = f"/v2/pods/{POD_ID}"
        if (request.command, request.path) == ("GET", here):
            started = None if self.started is None else datetime.fromtimestamp(self.started, UTC).isoformat()
            return _answer(200, {"id": POD_ID, "startedAt": started, "z": "2001-01-01T00:00:00Z"})
        if (request.command, request.path) == ("POST", f"{here}/action"):
            self.calls.append(f"POST {json.loads(body)['action']}")
            return _answer(200, {"id": POD_ID})
        if (request.command, request.path) == ("DELETE", here):
            self.calls.append("DELETE")
            return _answer(204, None)
        return _answer(404, {"title": "not found"})


def _answer(code: int, body: dict[str, object] | None) -> Answer:
    return code, b"" if body is None else json.dumps(body).encode(), {}
