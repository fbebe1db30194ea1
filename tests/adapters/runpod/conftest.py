"""A real HTTP server with scripted answers, a raw one for broken answers, and clients with recorded waits."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema
import pytest

from rpd.adapters.local.patience import Patience
from rpd.adapters.runpod.client import Limits, RunPodClient
from rpd.adapters.runpod.cloud import RunPodCloud
from rpd.journal.redact import Redactor, Secret
from tests.fakes.http_server import Answer, HttpServer

CANARY = "rpa_CANARY7/+x=Zq9TheKeyThatMustNotShow"
SPEC = json.loads((Path(__file__).parents[2] / "data" / "runpod-openapi.json").read_text(encoding="utf-8"))
NEWER_PARAMETERS = {"cursor", "limit"}
"""Known to later versions of the API than the reduced document."""


class Call:
    """One request as the server saw it."""

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        parts = urlsplit(target)
        self.method = method
        self.path = unquote(parts.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Scripted:
    """Answers in the order they were queued, the last one for ever; every request is held against the document."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.complaints: list[str] = []
        self._script: list[tuple[int, bytes, dict[str, str]]] = []
        self._is_repeating = False
        self._server = HttpServer(self._serve)
        self.url, self.close = self._server.url, self._server.close

    def answer(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> Scripted:
        """Queue an answer; bytes go out as they are, everything else as JSON."""
        raw = body if isinstance(body, bytes) else (b"" if body is None else json.dumps(body).encode())
        if self._is_repeating:
            self._script.clear()
            self._is_repeating = False
        kind = "application/json" if status < 300 else "application/problem+json"
        self._script.append((status, raw, {"Content-Type": kind, **(headers or {})}))
        return self

    def refuse(self, status: int, detail: str, headers: dict[str, str] | None = None) -> Scripted:
        """Queue an RFC 9457 answer."""
        return self.answer(status, {"title": "No", "status": status, "detail": detail}, headers)

    def _serve(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        call = Call(request.command, request.path, {k.lower(): v for k, v in request.headers.items()}, body)
        self.calls.append(call)
        self.complaints += complaints(call)
        return self._next()

    def _next(self) -> tuple[int, bytes, dict[str, str]]:
        if not self._script:
            return 500, b'{"detail":"nothing queued"}', {}
        self._is_repeating = len(self._script) == 1
        return self._script[0] if self._is_repeating else self._script.pop(0)


class Raw:
    """A server on the level of sockets: `serve` gets each connection after the request was read."""

    def __init__(self, serve: Callable[[socket.socket], None], *, reads: bool = True) -> None:
        self.requests: list[bytes] = []
        self._serve = serve
        self._reads = reads
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._main = threading.Thread(target=self._accept, daemon=True)
        self._main.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._is_over.set()
        self._main.join(5)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def pause(self, seconds: float) -> bool:
        """Wait, unless the server is to end; false then."""
        return not self._is_over.wait(seconds)

    def _accept(self) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._handle, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _handle(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with connection, contextlib.suppress(OSError):
            if self._reads:
                self.requests.append(_whole_request(connection))
            self._serve(connection)


class Bench:
    """What a client under test is wired with."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.is_interrupted = False
        self.on_wait: Callable[[], None] = lambda: None
        self._clients: list[RunPodClient] = []

    def client(
        self, url: str, patience: Patience | None = None, *, redactor: Redactor | None = None, **limits: Any
    ) -> RunPodClient:
        client = RunPodClient(
            url,
            Secret(CANARY),
            interrupted=lambda: self.is_interrupted,
            wait=self._wait,
            random=random.Random(7),
            limits=Limits(**{"answer_seconds": 20.0, "create_seconds": 20.0, **limits}),
            patience=patience,
            redactor=redactor,
        )
        self._clients.append(client)
        return client

    def cloud(self, url: str, **limits: Any) -> RunPodCloud:
        return RunPodCloud(self.client(url, **limits))

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.on_wait()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def api() -> Iterator[Scripted]:
    """A scripted server of the test's own, since a request that one test gave up may arrive late; at the end no request
    may have broken the document."""
    server = Scripted()
    yield server
    server.close()
    assert server.complaints == []


@pytest.fixture
def raw() -> Iterator[Callable[..., Raw]]:
    """Makes raw servers and ends them."""
    servers: list[Raw] = []

    def make(serve: Callable[[socket.socket], None], **options: bool) -> Raw:
        servers.append(Raw(serve, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def canary() -> str:
    return CANARY


@pytest.fixture
def make_pod() -> Callable[..., dict[str, Any]]:
    """A pod as the API writes it, held against the document."""

    def make(**changes: Any) -> dict[str, Any]:
        pod = {
            "id": "9kz2c1xq7hb3vd",
            "name": "rpd-train-tok-a1",
            "status": "RUNNING",
            "actions": ["stop", "restart", "terminate"],
            "image": "runpod/pytorch:2",
            "args": "",
            "disk": 20,
            "mounts": {"persistent": {"size": 30, "path": "/workspace"}},
            "ports": ["22/tcp"],
            "env": {"RPD_RUN_ID": "r1"},
            "registry": None,
            "cloud": "SECURE",
            "dataCenterId": "US-TX-3",
            "cudaVersion": "12.8",
            "gpu": {"id": "NVIDIA RTX A5000", "count": 1},
            "ssh": {
                "proxy": {"host": "ssh.runpod.io", "port": 22, "username": "9kz2c1xq7hb3vd-0a", "command": "ssh"},
                "direct": {"host": "203.0.113.7", "port": 17740, "username": "root", "command": "ssh"},
            },
            "template": None,
            "cost": 0.27,
            "locked": False,
            "globalNetworking": {"enabled": False},
            "runtime": {"uptime": 5, "ports": [{"private": 22, "public": 17740, "type": "tcp", "ip": "203.0.113.7"}]},
            "createdAt": "2026-11-20T10:00:00Z",
            "startedAt": "2026-11-20T10:00:20Z",
        }
        check(pod, "Pod")
        return {**pod, **changes}

    return make


def check(value: Any, schema: str) -> None:
    """Hold a value against a schema of the document."""
    _validator({"$ref": f"#/components/schemas/{schema}"}).validate(value)


def complaints(call: Call) -> list[str]:
    """What the document has against a request: route, query names and values, body."""
    found = [(path, item) for path, item in SPEC["paths"].items() if _fits(path, call.path)]
    # A literal path wins over one with a placeholder.
    found.sort(key=lambda pair: pair[0].count("{"))
    if not found or call.method.lower() not in found[0][1]:
        return [f"no route {call.method} {call.path}"]
    operation = found[0][1][call.method.lower()]
    parameters = {p["name"]: p for p in map(_resolved, operation.get("parameters", [])) if p["in"] == "query"}
    problems = [f"unknown query {name}" for name in call.query if name not in parameters.keys() | NEWER_PARAMETERS]
    for name, value in call.query.items():
        if name in parameters:
            problems += _query_complaints(parameters[name], value)
    if "requestBody" in operation:
        schema = _resolved(operation["requestBody"])["content"]["application/json"]["schema"]
        problems += [f"body: {error.message}" for error in _validator(schema).iter_errors(call.json)]
    elif call.body:
        problems.append("a body where none belongs")
    return problems


def _query_complaints(parameter: dict[str, Any], text: str) -> list[str]:
    schema = _resolved(parameter["schema"])
    value: Any = text
    if schema.get("type") == "array":
        value = text.split(",")
    elif schema.get("type") == "integer":
        value = int(text)
    return [f"query {parameter['name']}: {error.message}" for error in _validator(schema).iter_errors(value)]


def _validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**schema, "components": SPEC["components"]})


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        _, _, kind, name = node["$ref"].split("/")
        node = SPEC["components"][kind][name]
    return node


def _fits(pattern: str, path: str) -> bool:
    wanted, given = pattern.split("/"), path.split("/")
    return len(wanted) == len(given) and all(w == g or w.startswith("{") for w, g in zip(wanted, given, strict=True))


def _whole_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
