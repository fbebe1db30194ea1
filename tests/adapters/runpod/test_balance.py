"""What the account has left, over GraphQL; whatever else comes is "not known"."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rpd.adapters.runpod.balance import Balance, read_balance
from rpd.journal.redact import Secret

PORT_OF_NOBODY = 1


def answering(status: int, body: Any) -> Callable[[socket.socket], None]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return lambda connection: connection.sendall(head.encode() + content)


@pytest.fixture
def ask(raw: Any, canary: str) -> Iterator[Callable[[int, Any], Balance | None]]:
    """Reads the balance from a server that gives this answer."""
    yield lambda status, body: read_balance(raw(answering(status, body)).url, Secret(canary))


def myself(**fields: Any) -> dict[str, Any]:
    return {"data": {"myself": fields}}


@pytest.mark.parametrize(
    ("fields", "balance"),
    [
        ({"clientBalance": 12.5, "currentSpendPerHr": 0.25}, Balance(12.5, 0.25)),
        ({"clientBalance": "12.5", "currentSpendPerHr": None}, Balance(12.5)),
        ({"clientBalance": -1, "spendLimit": 80, "new": {}}, Balance(-1.0)),
        ({"clientBalance": 0}, Balance(0.0)),
    ],
)
def test_what_is_left_and_what_is_spent(ask: Any, fields: dict[str, Any], balance: Balance) -> None:
    assert ask(200, myself(**fields)) == balance


def test_the_key_goes_into_the_header_alone(raw: Any, canary: str) -> None:
    server = raw(answering(200, myself(clientBalance=1)))
    assert read_balance(f"{server.url}/v2", Secret(canary)) == Balance(1.0)
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /graphql HTTP/1.1\r\n")
    assert request.count(canary.encode()) == 1 and f"Authorization: Bearer {canary}".encode() in head
    assert json.loads(body) == {"query": "{myself{clientBalance currentSpendPerHr}}"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"errors": [{"message": "Something went wrong."}], "data": {"myself": None}}),
        (200, {"errors": [{"message": "no"}]}),
        (200, {"data": None}),
        (200, {"data": {"myself": {"clientBalance": None}}}),
        (200, {"data": {"myself": {"clientBalance": True}}}),
        (200, {"data": {"myself": {"clientBalance": "NaN"}}}),
        (200, {"data": {"myself": [1]}}),
        (200, [1]),
        (200, b"<html>"),
        (200, b"x" * 200_000),
        (302, b""),
        (400, myself(clientBalance=1)),
        (401, {"title": "no"}),
        (404, b"gone"),
        (429, b"<html>"),
        (500, b""),
    ],
)
def test_anything_else_is_not_known(ask: Any, status: int, body: Any) -> None:
    assert ask(status, body) is None


def test_a_line_that_is_silent_or_closed_is_given_up(raw: Any, canary: str) -> None:
    server = raw(lambda connection: server.pause(5))
    begun = time.monotonic()
    assert read_balance(server.url, Secret(canary), seconds=0.3) is None
    assert time.monotonic() - begun < 3
    assert read_balance(raw(lambda connection: None).url, Secret(canary)) is None
    assert read_balance(f"http://127.0.0.1:{PORT_OF_NOBODY}", Secret(canary)) is None


def test_a_wrong_address_or_key_is_for_others_to_complain_of() -> None:
    assert read_balance("ftp://nowhere", Secret("rpa_key")) is None
    assert read_balance("http://127.0.0.1:1", Secret("no key")) is None
