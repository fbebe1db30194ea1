"""The key shows nowhere: not in errors and what hangs on them, not in reprs, not in logs."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from typing import Any
from urllib.parse import quote

import pytest

from rpd.adapters.local import own_log
from rpd.adapters.runpod.errors import Kind
from rpd.adapters.runpod.session import Session
from rpd.engine.errors import RpdError, UserError
from rpd.journal.redact import Redactor, Secret


def keep(body: bytes) -> bytes:
    return body


def everything(error: BaseException) -> str:
    """All an error could tell: texts, attributes, chain, printed traceback."""
    told = ["".join(traceback.format_exception(error))]
    chain: BaseException | None = error
    while chain is not None:
        told += [str(chain), repr(chain), repr(vars(chain)), repr(chain.args)]
        chain = chain.__cause__ or chain.__context__
    return "\n".join(told)


def echo(connection: Any) -> None:
    """An edge that shows the request it did not like."""
    page = f"<html><title>{CANARY[0]}</title>{CANARY[0]}</html>".encode()
    connection.sendall(b"HTTP/1.1 502 Bad\r\nContent-Length: %d\r\n\r\n" % len(page) + page)


CANARY: list[str] = []


@pytest.fixture(autouse=True)
def _remember(canary: str, caplog: pytest.LogCaptureFixture) -> None:
    """What goes to rpd's own log is captured, too."""
    CANARY[:] = [canary]
    caplog.set_level(logging.DEBUG, own_log.ROOT)


def hang_up(_connection: Any) -> None:
    pass


def cut(connection: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{")


BROKEN = [(kind, serve) for kind in Kind for serve in (echo, hang_up, cut)]
BROKEN.remove((Kind.DELETE, cut))  # a delete is accepted by its status alone


@pytest.mark.parametrize(("kind", "serve"), BROKEN)
def test_errors_from_the_wire(bench: Any, raw: Any, canary: str, caplog: Any, serve: Any, kind: Kind) -> None:
    caplog.set_level(logging.DEBUG)
    server = raw(serve)
    client = bench.client(server.url)
    with pytest.raises(RpdError) as caught:
        if kind is Kind.READ:
            client.get("/v2/pods", keep)
        elif kind is Kind.DELETE:
            client.delete("/v2/pods/p")
        else:
            client.act(kind, "/v2/pods/p/action", b"{}", keep)
    assert canary.encode() in server.requests[0]
    _assert_clean(everything(caught.value) + caplog.text, canary)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_errors_that_quote_the_key(api: Any, bench: Any, canary: str, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    encoded = base64.b64encode(canary.encode()).decode()
    detail = f"bad header 'Bearer {canary}' for {quote(canary, safe='')} or {encoded}"
    api.answer(422, {"detail": detail, "errors": [f"$: {canary}"]}, {"x-request-id": "r1"})
    with pytest.raises(RpdError, match=r"Bearer \*\*\*") as caught:
        bench.client(api.url).get("/v2/pods", keep)
    assert "GET /v2/pods: 422" in caplog.text
    _assert_clean(everything(caught.value) + json.dumps(caught.value.detail) + caplog.text, canary)


def test_reprs(api: Any, bench: Any, canary: str) -> None:
    client = bench.client(api.url)
    cloud = bench.cloud(api.url)
    told = [repr(thing) for thing in (client, cloud, client._session, vars(client), vars(client._session))]
    told.append(repr(client._session._requests.headers))
    _assert_clean("\n".join(told), canary)


@pytest.mark.parametrize("room", [1, 8, 20, 36])
@pytest.mark.parametrize("limit", [100, 200, 400, 500])
def test_the_key_is_masked_before_a_text_is_cut(api: Any, bench: Any, canary: str, limit: int, room: int) -> None:
    """Also one that JSON spells in another way."""
    text = f"{'x' * (limit - room - 1)} {canary}"
    spelled = json.dumps(text).replace("CANARY", "\\u0043ANARY")
    answers: list[tuple[int, bytes, dict[str, str]]] = [
        (422, b'{"detail": %s}' % spelled.encode(), {}),
        (422, b'{"detail": "no", "errors": [%s]}' % spelled.encode(), {}),
        (403, f"<html><title>{text}</title>".encode(), {}),
        (502, text.encode(), {"x-request-id": text}),
    ]
    for status, body, headers in answers:
        api.answer(status, body, headers)
        with pytest.raises(RpdError) as caught:
            bench.client(api.url, attempts=1).get("/v2/pods", keep)
        _assert_no_piece(everything(caught.value) + json.dumps(caught.value.detail), canary)
    api.answer(200, b'data: {"source": "system", "line": %s}\n\n' % spelled.encode())
    said = bench.cloud(api.url).pod_log("p", 5).system
    assert said and said[0].startswith("x")
    _assert_no_piece(repr(said), canary)


@pytest.mark.parametrize("kept", [9, 20, 38])
def test_the_key_in_a_body_that_ends_in_it(bench: Any, raw: Any, canary: str, kept: int) -> None:
    part = b"seen: " + canary[:kept].encode()
    server = raw(lambda connection: connection.sendall(b"HTTP/1.1 502 Bad\r\nContent-Length: 90\r\n\r\n" + part))
    with pytest.raises(RpdError, match=r"seen: \*\*\*") as caught:
        bench.client(server.url, attempts=1).get("/v2/pods", keep)
    _assert_no_piece(everything(caught.value), canary)


@pytest.mark.parametrize("kept", [9, 20, 38])
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"\r\n\r\nseen: ", id="no-length"),
        pytest.param(b"\r\nContent-Length: x\r\n\r\nseen: ", id="no-number"),
        pytest.param(b"\r\nx-request-id: ", id="in-a-header"),
    ],
)
def test_the_key_in_an_answer_that_breaks_off_unseen(
    bench: Any, raw: Any, canary: str, caplog: Any, head: bytes, kept: int
) -> None:
    caplog.set_level(logging.DEBUG)
    server = raw(lambda connection: connection.sendall(b"HTTP/1.1 502 Bad" + head + canary[:kept].encode()))
    with pytest.raises(RpdError) as caught:
        bench.client(server.url, attempts=1).get("/v2/pods", keep)
    _assert_no_piece(everything(caught.value) + caplog.text, canary)


def test_other_secrets_are_masked_as_well(api: Any, bench: Any) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG+bPx"
    api.refuse(422, f"{'x' * 480} {secret}")
    with pytest.raises(RpdError) as caught:
        bench.client(api.url, redactor=Redactor(Secret(secret))).get("/v2/pods", keep)
    _assert_no_piece(everything(caught.value), secret)


@pytest.mark.parametrize("bad", ["", "rpa_x\n", "rpa x", "rpa_ä", "rpa\x00"])
def test_a_key_that_cannot_be_one(api: Any, bad: str) -> None:
    with pytest.raises(UserError) as caught:
        Session(api.url, Secret(bad), connect_seconds=1, body_limit=1)
    assert caught.value.exit_code == 4
    assert not bad or bad not in str(caught.value)


def _assert_no_piece(text: str, secret: str) -> None:
    assert [secret[at : at + 6] for at in range(len(secret) - 5) if secret[at : at + 6] in text] == []


def _assert_clean(text: str, canary: str) -> None:
    for form in (canary, quote(canary, safe=""), base64.b64encode(canary.encode()).decode(), canary[8:30]):
        assert form not in text
