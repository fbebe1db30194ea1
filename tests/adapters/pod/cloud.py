"""A tiny cloud: the few answers the switch asks for, over real HTTP."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.adapters.pod.local_shell import KEY, POD_ID


class Cloud:
    """`calls` are the mutations that came in with the right key, as "POST stop" or "DELETE"; `refuse` the codes that
    the next requests get, `started` the pod's start in UTC seconds (None: not told)."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.seen: list[str] = []
        self.refuse: list[int] = []
        self.started: float | None = 0.0
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                cloud.take(self)

            do_GET = do_POST = do_DELETE = _take

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v2"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.seen.append(f"{request.command} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return self._answer(request, 401, {"title": "no"})
        if self.refuse:
            return self._answer(request, self.refuse.pop(0), {"title": "refused"})
        here = f"/v2/pods/{POD_ID}"
        if (request.command, request.path) == ("GET", here):
            started = None if self.started is None else datetime.fromtimestamp(self.started, UTC).isoformat()
            return self._answer(request, 200, {"id": POD_ID, "startedAt": started, "z": "2001-01-01T00:00:00Z"})
        if (request.command, request.path) == ("POST", f"{here}/action"):
            self.calls.append(f"POST {json.loads(body)['action']}")
            return self._answer(request, 200, {"id": POD_ID})
        if (request.command, request.path) == ("DELETE", here):
            self.calls.append("DELETE")
            return self._answer(request, 204, None)
        return self._answer(request, 404, {"title": "not found"})

    def _answer(self, request: BaseHTTPRequestHandler, code: int, body: dict[str, object] | None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        request.send_response(code)
        if code != 204:
            request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)
