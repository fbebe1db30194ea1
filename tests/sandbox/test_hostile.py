"""What a client sends that no client should: it is refused at the door, and nobody else notices."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.sandbox import daemon
from rpd.engine.errors import UserError

pytestmark = pytest.mark.sandbox

SECONDS_MAX = 2.0
"""No answer takes longer."""
JSON = {"Content-Type": "application/json"}


def _short(value: Any) -> str:
    return repr(value)[:20] if len(value) < 1000 else f"{value[:5]}... {len(value)} long"


def refused(sandbox: Any, method: str, path: str, status: int, **more: Any) -> str:
    """The words of a refusal in the API's form, given at once."""
    began = time.monotonic()
    answer = sandbox(method, path, **more)
    assert time.monotonic() - began < SECONDS_MAX
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.text)


@pytest.mark.parametrize("path", ["/v2/billing", "/v2/billing/pods", "/v2/billing/network-volumes"])
@pytest.mark.parametrize(
    "query",
    [
        "startTime=1970-01-01T00:00:00Z&bucketSize=hour",
        "startTime=0001-01-01T00:00:00Z&bucketSize=day",
        "startTime=0001-01-01T00:00:00%2B14:00&bucketSize=year",
        "endTime=9999-12-31T23:59:59Z&bucketSize=year",
        "endTime=9999-12-31T23:59:59-14:00&bucketSize=month",
        "lastN=1000000000",
        "lastN=1000000000&bucketSize=year",
        "lastN=%C2%B2",
        f"lastN={'9' * 5000}",
        "startTime=x",
    ],
    ids=lambda query: query[:60],
)
def test_a_bill_that_cannot_be_written_is_refused(sandbox: Any, path: str, query: str) -> None:
    assert "detail" in refused(sandbox, "GET", f"{path}?{query}", 422)
    assert sandbox("GET", path).status_code == 200, "the next bill is written"


def test_a_long_bill_holds_nobody_up(sandbox: Any) -> None:
    for number in range(10):
        sandbox.create(name=f"pod-{number}")
    began = time.monotonic()
    answer = sandbox("GET", "/v2/billing/pods?lastN=9000&bucketSize=hour")
    assert answer.status_code == 200 and time.monotonic() - began < SECONDS_MAX
    assert answer.json()["metadata"]["uniquePodCount"] == 10


@pytest.mark.parametrize(
    "text",
    [r"\ud800", r"a\udfffb", r"\u0000"],
)
def test_text_that_is_none_poisons_nothing(sandbox: Any, text: str) -> None:
    volume = f'{{"name": "{text}", "size": 10, "dataCenter": "EU-RO-1"}}'
    refused(sandbox, "POST", "/v2/network-volumes", 422, data=volume, headers=JSON)
    for field in ("name", "image", "args"):
        order = json.dumps(sandbox.order(**{field: "TEXT"})).replace("TEXT", text)
        refused(sandbox, "POST", "/v2/pods", 422, data=order, headers=JSON)
    for env in (f'{{"A": "{text}"}}', f'{{"{text}": "a"}}'):
        order = json.dumps(sandbox.order(env={"TEXT": ""})).replace('{"TEXT": ""}', env)
        refused(sandbox, "POST", "/v2/pods", 422, data=order, headers=JSON)
    keys = f'{{"keys": ["ssh-ed25519 AAAA {text}"]}}'
    refused(sandbox, "PUT", "/v2/account/ssh-keys", 422, data=keys, headers=JSON)
    assert sandbox.create()["id"] and len(sandbox.names()) == 1
    daemon.reset(sandbox.home)


@pytest.mark.parametrize("number", ["1e308", "9" * 30, "9" * 5000, "1e400", "NaN", "-Infinity"], ids=_short)
def test_numbers_without_measure_poison_nothing(sandbox: Any, number: str) -> None:
    for path, body in (
        ("/v2/network-volumes", '{"name": "v", "size": N, "dataCenter": "EU-RO-1"}'),
        ("/v2/pods", json.dumps(sandbox.order(disk=None))[:-1] + ', "disk": N}'),
        ("/v2/pods", json.dumps(sandbox.order(gpu=None))[:-1] + ', "gpu": {"id": "NVIDIA L4", "count": N}}'),
    ):
        answer = sandbox("POST", path, data=body.replace("N}", f"{number}}}").replace("N,", f"{number},"), headers=JSON)
        assert 400 <= answer.status_code < 500, answer.text
    assert sandbox.create()["id"]


@pytest.mark.parametrize(
    "body", ["[" * 50_000, '{"a":' * 20_000, "", "null", "[]", '"x"', "{} {}", b"\xff\xfe{}"], ids=_short
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/pods"),
        ("POST", "/v2/network-volumes"),
        ("PUT", "/v2/account/ssh-keys"),
        ("POST", "/sandbox/faults"),
        ("POST", "/sandbox/scenario"),
    ],
)
def test_a_body_that_is_no_object_is_refused(sandbox: Any, method: str, path: str, body: Any) -> None:
    answer = sandbox(method, path, data=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body", ["[" * 50_000, "", "null", "[]", b"\xff", '{"query": 1}', '{"query": "\\ud800"}'], ids=_short
)
def test_graphql_answers_what_it_does_not_understand(sandbox: Any, body: Any) -> None:
    answer = sandbox("POST", "/graphql", data=body, headers=JSON)
    assert answer.status_code < 500, answer.text[:300]


@pytest.mark.parametrize("is_told", [True, False], ids=["its length is told", "in chunks"])
def test_a_body_over_the_limit_is_refused_before_it_is_read(sandbox: Any, is_told: bool) -> None:
    host, port = sandbox.info.url.removeprefix("http://").split(":")
    head = f"POST /v2/pods HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {sandbox.info.api_key}\r\n"
    head += "Content-Length: 1000000000\r\n\r\n" if is_told else "Transfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=5.0) as line:
        line.sendall(head.encode())
        if not is_told:
            line.sendall(b"200000\r\n" + b" " * 0x200000 + b"\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 413 "), "nobody waits for the rest"


@pytest.mark.parametrize("path", ["/v2/pods/%ff", "/v2/pods/%00", "/v2/pods/%ed%a0%80", "/v2/pods?cursor=%00&limit=²"])
def test_an_odd_address_is_no_fault_of_the_server(sandbox: Any, path: str) -> None:
    assert 400 <= sandbox("GET", path).status_code < 500


def test_a_daemon_that_hangs_is_told_from_one_that_is_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "_CALL_SECONDS", 0.3)
    info = daemon.up(home)
    os.kill(info.pid, signal.SIGSTOP)
    try:
        found = daemon.status(home)
        assert found["running"] and found["hangs"] and found["pid"] == info.pid
        with pytest.raises(UserError, match=f"pid {info.pid}.* does not answer") as caught:
            daemon.up(home)
        assert caught.value.hint == "rpd sandbox down"
    finally:
        os.kill(info.pid, signal.SIGCONT)
    assert not daemon.status(home).get("hangs")
