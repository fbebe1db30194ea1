"""Every row of the classification table, for reads and for effects."""

from __future__ import annotations

import json

import pytest

from rpd.adapters.runpod.answer import Answer, Failure
from rpd.adapters.runpod.errors import EFFECTS, ROWS, Kind, judge, judge_failure
from rpd.engine.errors import Ambiguous, NotSent, Refused, Unavailable
from rpd.states.ports.faults import Fault

HTML = b"<html><head><title>Attention Required! | Cloudflare</title></head><body>error code: 1010</body></html>"


def answer(status: int, detail: str | bytes = "no") -> Answer:
    body = detail if isinstance(detail, bytes) else json.dumps({"title": "t", "status": status, "detail": detail})
    return Answer(status, {"x-request-id": "req-7"}, body if isinstance(body, bytes) else body.encode())


CAPACITY_TEXTS = (
    "There are no longer any instances available with the requested specifications",
    "There are no longer any instances available with enough disk space.",
    "no instances currently available",
    "This machine does not have the resources to deploy your pod",
    "Please try a different machine",
    "No GPUs available",
    "no machines are currently available",
    "Insufficient capacity in this data center",
    "The GPU is OUT OF STOCK",
    "no available machine",
    "There are no instances available with these constraints",
    "NVIDIA H200 is not available in EU-RO-1",
    "the requested GPU type is currently unavailable",
    "This instance is no longer available",
    "no machine was found that reports CUDA 12.9",
    "The data center is at full capacity",
    "GPUs of this type are sold out",
    "insufficient GPU capacity",
)
CREDIT_TEXTS = (
    "Insufficient balance to rent this pod",
    "account balance is insufficient",
    "You do not have enough funds to deploy this pod",
    "Your balance is too low, please add credits",
    "this would exceed your spending limit",
    "you don't have sufficient credits",
)
NEITHER_TEXTS = (
    "image is required",
    "the template is not available to this account",
    "image runpod/pytorch:9 does not exist",
    "Registry auth not found",
    "minCudaVersion and allowedCudaVersions exclude each other",
    "name must not be empty",
)

TABLE = [
    (Kind.CREATE, 204, b"", Ambiguous, Fault.UNREADABLE, True),
    (Kind.READ, 200, b"<html>", Unavailable, Fault.UNREADABLE, True),
    (Kind.CREATE, 302, b"", Ambiguous, Fault.REDIRECTED, False),
    (Kind.DELETE, 307, b"", Ambiguous, Fault.REDIRECTED, False),
    (Kind.READ, 301, b"", Unavailable, Fault.REDIRECTED, False),
    *((Kind.CREATE, 400, text, Refused, Fault.NO_CAPACITY, True) for text in CAPACITY_TEXTS),
    (Kind.CREATE, 400, b'{"error":"create pod: no instances currently available","status":400}', Refused,
     Fault.NO_CAPACITY, True),
    *((Kind.CREATE, 400, text, Refused, Fault.NO_CREDIT, False) for text in CREDIT_TEXTS),
    *((Kind.CREATE, 400, text, Refused, Fault.BAD_REQUEST, False) for text in NEITHER_TEXTS),
    (Kind.CREATE, 403, "account balance is insufficient", Refused, Fault.NO_CREDIT, False),
    (Kind.CREATE, 409, "no available machine", Refused, Fault.NO_CAPACITY, True),
    (Kind.CREATE, 422, "your balance is too low", Refused, Fault.NO_CREDIT, False),
    (Kind.CREATE, 418, "no instances currently available", Ambiguous, Fault.BAD_REQUEST, False),
    (Kind.STOP, 409, "pod is locked; unlock it first", Refused, Fault.LOCKED, True),
    (Kind.DELETE, 409, "Cannot terminate: the pod is locked", Refused, Fault.LOCKED, True),
    (Kind.START, 400, "not enough free GPUs on the host machine", Refused, Fault.START_REFUSED, True),
    (Kind.START, 400, "cannot do that now", Refused, Fault.START_REFUSED, True),
    (Kind.STOP, 400, "out of stock", Refused, Fault.BAD_REQUEST, False),
    (Kind.READ, 400, "include needs product", Refused, Fault.BAD_REQUEST, False),
    (Kind.DELETE, 401, "missing bearer token", Refused, Fault.KEY_REFUSED, False),
    (Kind.READ, 401, b"", Refused, Fault.KEY_REFUSED, False),
    (Kind.CREATE, 402, "pay first", Refused, Fault.NO_CREDIT, False),
    (Kind.CREATE, 403, HTML, Refused, Fault.BLOCKED, False),
    (Kind.READ, 403, b"error code: 1010", Refused, Fault.BLOCKED, False),
    (Kind.CREATE, 403, "API key lacks the required scope", Refused, Fault.FORBIDDEN, False),
    (Kind.CREATE, 403, "your account cannot access the requested pool", Refused, Fault.POOL_FORBIDDEN, False),
    (Kind.STOP, 403, "forbidden", Refused, Fault.FORBIDDEN, False),
    (Kind.READ, 403, "forbidden", Refused, Fault.FORBIDDEN, False),
    (Kind.CREATE, 404, "registry not found", Refused, Fault.NOT_FOUND, False),
    (Kind.READ, 404, "pod not found", Refused, Fault.NOT_FOUND, False),
    (Kind.READ, 404, b"", Refused, Fault.NOT_FOUND, False),
    (Kind.READ, 404, b"404 page not found", Unavailable, Fault.NOT_FOUND, False),
    (Kind.READ, 404, b"<html><title>Welcome</title></html>", Unavailable, Fault.NOT_FOUND, False),
    (Kind.DELETE, 404, HTML, Refused, Fault.NOT_FOUND, False),
    (Kind.DELETE, 405, "use another", Refused, Fault.BAD_REQUEST, False),
    (Kind.CREATE, 408, b"", Ambiguous, Fault.TIMEOUT, True),
    (Kind.READ, 408, b"", Unavailable, Fault.TIMEOUT, True),
    (Kind.STOP, 409, "invalid for status", Refused, Fault.CONFLICT, True),
    (Kind.CREATE, 413, "too big", Refused, Fault.INVALID, False),
    (Kind.CREATE, 422, "image does not exist", Refused, Fault.INVALID, False),
    (Kind.CREATE, 429, "slow down", Refused, Fault.RATE_LIMITED, True),
    (Kind.READ, 429, b"<html>", Unavailable, Fault.RATE_LIMITED, True),
    (Kind.CREATE, 418, "teapot", Ambiguous, Fault.BAD_REQUEST, False),
    (Kind.READ, 418, "teapot", Refused, Fault.BAD_REQUEST, False),
    (Kind.CREATE, 500, "no instances currently available", Ambiguous, Fault.SERVER_ERROR, True),
    (Kind.CREATE, 502, HTML, Ambiguous, Fault.SERVER_ERROR, True),
    (Kind.READ, 503, HTML, Unavailable, Fault.SERVER_ERROR, True),
    (Kind.START, 599, b"", Ambiguous, Fault.SERVER_ERROR, True),
    (Kind.STOP, 999, b"", Ambiguous, Fault.SERVER_ERROR, True),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "status", "body", "error", "fault", "retryable"), TABLE)
def test_row(kind: Kind, status: int, body: str | bytes, error: type[Exception], fault: Fault, retryable: bool) -> None:
    found = judge(kind, answer(status, body))
    assert (type(found), found.reason, found.retryable) == (error, fault, retryable)
    assert found.detail["status"] == status
    assert found.detail["request_id"] == "req-7"
    assert str(status) in found.message


def test_every_row_is_tested() -> None:
    reached = set()
    for kind, status, body, *_ in TABLE:
        fault = judge(kind, answer(status, body)).reason
        reached.add((status, fault))
    for row in ROWS:
        assert any(status in row.statuses and fault == row.fault for status, fault in reached), row


@pytest.mark.parametrize("kind", list(Kind))
def test_only_documented_refusals_prove_that_nothing_happened(kind: Kind) -> None:
    documented = {400, 401, 402, 403, 404, 405, 409, 413, 422, 429}
    for status in range(100, 1000):
        found = judge(kind, answer(status))
        if kind in EFFECTS:
            assert isinstance(found, Refused if status in documented else Ambiguous)
        else:
            assert isinstance(found, Refused | Unavailable)


@pytest.mark.parametrize(
    ("kind", "left", "error"),
    [
        (Kind.CREATE, False, NotSent),
        (Kind.CREATE, True, Ambiguous),
        (Kind.DELETE, False, NotSent),
        (Kind.STOP, True, Ambiguous),
        (Kind.READ, False, Unavailable),
        (Kind.READ, True, Unavailable),
    ],
)
def test_failures(kind: Kind, left: bool, error: type[Exception]) -> None:
    found = judge_failure(kind, Failure(Fault.TIMEOUT, left, "no whole answer in time"))
    assert type(found) is error
    assert found.reason == Fault.TIMEOUT


def test_a_validation_error_names_what_is_missing_first() -> None:
    lines = ["$: additional properties 'x' not allowed", "$: missing property 'name'"]
    body = json.dumps({"title": "Unprocessable", "status": 422, "detail": "invalid body", "errors": lines}).encode()
    found = judge(Kind.CREATE, answer(422, body))
    assert found.detail["errors"] == lines[::-1]
    assert "invalid body: $: missing property 'name'; $: additional" in found.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":"create pod: no"}', "create pod: no"),
        (b'{"error":{"message":"deep"}}', "deep"),
        (b'{"message":"m"}', "m"),
        (b'{"title":"Only a title"}', "Only a title"),
        (b"{}", "no reason given"),
        (b"  ", "no reason given (empty body)"),
        (b"[1]", "text instead of an answer of the API: '[1]'"),
        (HTML, "page titled 'Attention Required! | Cloudflare' instead of an answer of the API, error code 1010"),
        (b"<HTML><p>x", "an HTML page instead of an answer of the API"),
        (b'{"detail":"a\\u001b[31mred\\u202e\\nline"}', "a [31mred line"),
        (b'{"detail":' + b"[" * 100_000, "text instead of an answer of the API: "),
        (b"\xff\xfe\x00", "text instead of an answer"),
    ],
)  # fmt: skip
def test_bodies_in_words(body: bytes, said: str) -> None:
    assert said in judge(Kind.CREATE, answer(500, body)).message


def test_a_long_text_is_cut() -> None:
    assert len(judge(Kind.READ, answer(500, "x" * 100_000)).message) < 700
