"""Images looked up at a registry that speaks the OCI distribution API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from rpd.adapters.checking.registry import DOCKER_HUB, Reference, check_image, reference

DIGEST = "sha256:" + "ab" * 32
PUBLIC = {"team/app": {"v1", DIGEST}, "library/alpine": {"3.20"}}


class _Registry(BaseHTTPRequestHandler):
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
        asked = parse_qs(urlsplit(self.path).query)
        assert asked["service"] == ["here"]
        path = asked["scope"][0].split(":")[1]
        if path.startswith("secret/"):
            self._end(403)
            return
        body = json.dumps({"token": f"pull {path}"}).encode()
        self._end(200, {"Content-Type": "application/json"}, body)

    def _end(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def told(image: str, *, has_credentials: bool = False) -> list[tuple[str, str]]:
    return [(each.level, each.message) for each in check_image(image, has_credentials=has_credentials)]


@pytest.mark.row(23)
def test_a_tag_and_a_digest_that_exist(host: str) -> None:
    assert told(f"{host}/team/app:v1") == []
    assert told(f"{host}/team/app@{DIGEST}") == []
    assert told(f"{host}/team/app:whatever@{DIGEST}") == []


@pytest.mark.row(23)
def test_proved_absence_is_an_error(host: str) -> None:
    ((level, message),) = told(f"{host}/team/app:v2")
    assert level == "error" and "has no tag v2 of team/app" in message
    ((level, message),) = told(f"{host}/team/app@sha256:{'00' * 32}")
    assert level == "error" and "has no digest" in message


@pytest.mark.parametrize(
    ("image", "text"),
    [("secret/app:v1", "pod.registry_id"), ("odd/app:v1", "pod.registry_id"), ("busy/app:v1", "too many questions")],
)
def test_what_cannot_be_told_is_a_warning(host: str, image: str, text: str) -> None:
    ((level, message),) = told(f"{host}/{image}")
    assert level == "warning" and text in message
    if text == "pod.registry_id":
        assert told(f"{host}/{image}", has_credentials=True) == []


def test_a_registry_out_of_reach_is_a_warning() -> None:
    ((level, message),) = told("127.0.0.1:1/team/app:v1")
    assert level == "warning" and "could not be asked" in message


def test_the_latest_is_no_version(host: str) -> None:
    assert [level for level, _ in told(f"{host}/team/app")] == ["warning", "error"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("alpine:3.20", Reference(DOCKER_HUB, "library/alpine", "3.20")),
        ("runpod/pytorch", Reference(DOCKER_HUB, "runpod/pytorch", "latest")),
        ("docker.io/a/b:c", Reference(DOCKER_HUB, "a/b", "c")),
        ("ghcr.io/a/b/c:d", Reference("ghcr.io", "a/b/c", "d")),
        ("localhost:5000/a:b", Reference("localhost:5000", "a", "b")),
        (f"a/b:tag@{DIGEST}", Reference(DOCKER_HUB, "a/b", DIGEST)),
        ("Upper/case:1", None),
        ("a/b:", None),
        ("a/b@sha256:12", None),
        ("https://ghcr.io/a", None),
    ],
)
def test_names_are_taken_apart_as_docker_does(image: str, expected: Reference | None) -> None:
    assert reference(image) == expected
