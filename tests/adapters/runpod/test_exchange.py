"""What rpd's own log says of one exchange with the API."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from rpd.adapters.local import own_log
from rpd.adapters.runpod.answer import Answer, Failure
from rpd.adapters.runpod.exchange import BODY_BYTES_MAX, BODY_CHARACTERS_MAX, ApiRequest, log_exchange
from rpd.journal.redact import Redactor, Secret
from rpd.states.ports.faults import Fault

FOREIGN = "somebody's-own-password"


@pytest.fixture(autouse=True)
def usual_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, own_log.ROOT)


def raw_of(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def got(answer: Any, caplog: pytest.LogCaptureFixture, **request: Any) -> str:
    raw = raw_of(answer)
    asked = ApiRequest(**{"method": "GET", "path": "/v2/pods", "seconds": 1.0, **request})
    log_exchange(asked, Answer(200, {"x-request-id": "r1"}, raw), 0.25, Redactor(Secret("ours-12345678")).mask)
    return caplog.messages[-1]


def test_what_was_asked_and_what_came(caplog: pytest.LogCaptureFixture) -> None:
    told = got({"id": "p1"}, caplog, method="POST", path="/v2/pods/p1/action", body=b'{"action":"stop"}')
    assert told == 'POST /v2/pods/p1/action: 200 in 0.25 s [r1] sent {"action":"stop"} got {"id":"p1"}'


@pytest.mark.parametrize(
    "body",
    [
        {"pods": [{"env": {"HF_TOKEN": FOREIGN, "GREETING": FOREIGN}}]},
        {"env": FOREIGN},
        {"registryPassword": FOREIGN, "authToken": FOREIGN, "apiKey": FOREIGN, "API_KEY": FOREIGN},
        {"a": {"b": [{"password": {"value": FOREIGN}}]}},
        f"<html>{FOREIGN}</html>".encode(),
        json.dumps({"env": {"A": FOREIGN}}).encode()[:-1],
        {"a": "ours-12345678", "env": {}},
    ],
    ids=["environment", "strange environment", "names", "deep", "a page", "cut", "ours"],
)
def test_no_secret_of_anybody(caplog: pytest.LogCaptureFixture, body: Any) -> None:
    for told in (got(body, caplog), got({}, caplog, body=raw_of(body))):
        assert FOREIGN not in told and "ours-1234" not in told
    assert "RPD_RUN_ID" in got({"env": {"RPD_RUN_ID": "train-1"}}, caplog), "what tells runs apart stays"


def test_a_long_body_is_cut_or_not_taken_apart(caplog: pytest.LogCaptureFixture) -> None:
    assert len(got({"a": "b" * 10_000}, caplog)) < BODY_CHARACTERS_MAX + 200
    assert got({"a": "b" * BODY_BYTES_MAX}, caplog).endswith(f"got {BODY_BYTES_MAX + 9} bytes")
    assert got([[[]]] * 3, caplog).endswith("got [[[]],[[]],[[]]]")


def test_lines_of_a_pod_are_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    assert got(b"data: {}\n\n", caplog, quiet=1.0).endswith("a stream of 10 bytes")


def test_an_exchange_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    log_exchange(ApiRequest("GET", "/v2/pods", 1.0), Failure(Fault.TIMEOUT, True, "too late"), 1.0, str)
    assert caplog.messages == ["GET /v2/pods: timeout after 1.00 s: too late"]
