"""A registry that speaks as much of the OCI distribution API as is asked of it, over real HTTP."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

DIGEST = "sha256:" + "ab" * 32
CONFIG, AMD, ARM = ("sha256:" + letter * 64 for letter in "cde")
PUBLIC = {"team/app": {"v1", DIGEST}, "library/alpine": {"3.20"}}
MADE: dict[str, bytes] = {}
"""Manifests and blobs, by their paths below /v2/."""


def make(path: str, tag: str, size_bytes: int, config: dict[str, Any], *, platforms: tuple[str, ...] = ()) -> None:
    """Put an image there: one manifest, or with `platforms` an index of them."""
    PUBLIC.setdefault(path, set()).add(tag)
    layers = [{"digest": DIGEST, "size": size_bytes // 2}, {"digest": DIGEST, "size": size_bytes - size_bytes // 2}]
    manifest = json.dumps({"config": {"digest": CONFIG, "size": 9}, "layers": layers}).encode()
    parts = [
        {"digest": AMD if each == "linux/amd64" else ARM, "platform": {"os": os, "architecture": kind}}
        for each in platforms
        for os, _, kind in (each.partition("/"),)
    ]
    MADE[f"{path}/manifests/{tag}"] = json.dumps({"manifests": parts}).encode() if platforms else manifest
    MADE[f"{path}/manifests/{AMD}"] = manifest
    MADE[f"{path}/blobs/{CONFIG}"] = json.dumps({"architecture": "amd64", "config": config}).encode()


class Registry(BaseHTTPRequestHandler):
    """`team/app` is for everybody, with a token; `secret/app` for nobody without a password; `busy/app` has a limit."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        path, _, wanted = urlsplit(self.path).path.removeprefix("/v2/").partition("/manifests/")
        if path == "busy/app":
            self._end(429)
        elif path == "odd/app":
            self._end(401, {"WWW-Authenticate": 'Basic realm="x"'})
        elif self.headers.get("Authorization") != f"Bearer pull {path}":
            realm = f"http://127.0.0.1:{self.server.server_address[1]}/token"  # type: ignore[attr-defined]
            scope = f"repository:{path}:pull"
            self._end(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="here",scope="{scope}"'})
        else:
            self._end(200 if wanted in PUBLIC.get(path, ()) else 404)

    def do_GET(self) -> None:
        route = urlsplit(self.path).path
        if route != "/token":
            self._serve(route.removeprefix("/v2/"))
            return
        asked = parse_qs(urlsplit(self.path).query)
        assert asked["service"] == ["here"]
        path = asked["scope"][0].split(":")[1]
        if path.startswith("secret/"):
            self._end(403)
            return
        body = json.dumps({"token": f"pull {path}"}).encode()
        self._end(200, {"Content-Type": "application/json"}, body)

    def _serve(self, route: str) -> None:
        """What an image is made of. Blobs lie elsewhere, where no token is shown."""
        name = self.headers.get("Authorization", "").removeprefix("Bearer pull ")
        found = MADE.get(route)
        if route.startswith("elsewhere/"):
            assert not name, "the token is for the registry alone"
        elif found is None or not route.startswith(f"{name}/"):
            self._end(404)
            return
        elif "/blobs/" in route:
            place = f"http://127.0.0.1:{self.server.server_address[1]}/v2/elsewhere/{route}"  # type: ignore[attr-defined]
            self._end(307, {"Location": place})
            return
        else:
            self._end(200, {}, found)
            return
        self._end(200, {}, MADE[route.removeprefix("elsewhere/")])

    def _end(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def registry() -> Iterator[str]:
    """Its address, `127.0.0.1:PORT`, while it listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
