"""Which calls are sent again, how long is waited, and what stands at the end."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from rpd.adapters.runpod.answer import Unreadable
from rpd.adapters.runpod.client import RunPodClient
from rpd.adapters.runpod.errors import Kind
from rpd.engine.errors import Ambiguous, Interrupted, NotSent, Refused, RpdError, Unavailable, UserError
from rpd.states.ports.faults import Fault

EXHAUSTED = {"RateLimit": '"minute";r=0;t=7, "hour";r=100;t=1800', "Retry-After": "3"}
ORDER = b'{"name":"n","image":"i","gpu":{"id":"g","count":1},"disk":20}'


def text(body: bytes) -> str:
    if not body.startswith(b"{"):
        raise Unreadable("it is not an object")
    return body.decode()


def call(client: RunPodClient, kind: Kind) -> Any:
    if kind is Kind.READ:
        return client.get("/v2/pods", text)
    if kind is Kind.CREATE:
        return client.create("/v2/pods", ORDER, text)
    if kind is Kind.DELETE:
        return client.delete("/v2/pods/p1")
    if kind is Kind.CHANGE:
        return client.change("/v2/network-volumes/v1", b'{"size":20}', text)
    return client.act(kind, "/v2/pods/p1/action", b'{"action":"%s"}' % kind.value.encode(), text)


@pytest.mark.parametrize("kind", [Kind.READ, Kind.CHANGE, Kind.DELETE])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_what_may_be_repeated_is_sent_again_after_a_5xx(api: Any, bench: Any, kind: Kind, status: int) -> None:
    api.refuse(status, "later").answer(status, b"<html></html>").answer(200, {})
    call(bench.client(api.url), kind)
    assert len(api.calls) == 3
    assert 0.25 <= bench.waits[0] < 0.5 <= bench.waits[1] < 1.0


@pytest.mark.parametrize("kind", [Kind.CREATE, Kind.START, Kind.STOP])
def test_other_effects_are_not_sent_again_after_a_5xx(api: Any, bench: Any, kind: Kind) -> None:
    api.refuse(500, "later")
    with pytest.raises(Ambiguous) as caught:
        call(bench.client(api.url), kind)
    assert caught.value.reason == Fault.SERVER_ERROR
    assert len(api.calls) == 1
    assert bench.waits == []


def test_attempts_end(api: Any, bench: Any) -> None:
    api.refuse(503, "later")
    with pytest.raises(Unavailable, match="later"):
        call(bench.client(api.url), Kind.READ)
    assert len(api.calls) == 4


@pytest.mark.parametrize("kind", list(Kind))
def test_a_429_is_waited_out_by_every_call(api: Any, bench: Any, kind: Kind) -> None:
    api.refuse(429, "slow", EXHAUSTED).answer(200, {})
    call(bench.client(api.url), kind)
    assert bench.waits[0] == 7.0  # the longer of Retry-After and the exhausted window
    assert len(api.calls) == 2


@pytest.mark.parametrize("kind", list(Kind))
def test_a_storm_ends_within_a_bounded_wait(api: Any, bench: Any, kind: Kind) -> None:
    api.refuse(429, "slow", {"Retry-After": "9"})
    with pytest.raises(Unavailable if kind is Kind.READ else Refused) as caught:
        call(bench.client(api.url), kind)
    assert sum(bench.waits) <= 60.0
    assert caught.value.retry_after == 9.0
    assert caught.value.reason == Fault.RATE_LIMITED
    assert caught.value.retryable


@pytest.mark.parametrize("after", ["0", "-1", "soon", ""])
def test_a_storm_without_a_usable_wait_ends_too(api: Any, bench: Any, after: str) -> None:
    api.refuse(429, "slow", {"Retry-After": after})
    with pytest.raises(Refused):
        call(bench.client(api.url), Kind.CREATE)
    assert 5 < len(api.calls) < 20
    assert sum(bench.waits) <= 60.0


def test_a_wait_too_long_is_left_to_the_caller(api: Any, bench: Any) -> None:
    api.refuse(429, "tomorrow", {"Retry-After": "86400"})
    with pytest.raises(Refused) as caught:
        call(bench.client(api.url), Kind.CREATE)
    assert bench.waits == []
    assert caught.value.retry_after == 86400.0


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422])
@pytest.mark.parametrize("kind", list(Kind))
def test_a_refusal_is_final(api: Any, bench: Any, kind: Kind, status: int) -> None:
    api.refuse(status, "no")
    with pytest.raises(Refused):
        call(bench.client(api.url), kind)
    assert len(api.calls) == 1


def test_the_next_request_waits_when_the_minute_is_nearly_used_up(api: Any, bench: Any) -> None:
    api.answer(200, {}, {"RateLimit": '"minute";r=4;t=20, "hour";r=0;t=9'}).answer(200, {})
    client = bench.client(api.url)
    call(client, Kind.READ)
    assert bench.waits == []
    call(client, Kind.READ)
    assert bench.waits == [pytest.approx(4.0, abs=0.5)]
    call(client, Kind.READ)
    assert len(bench.waits) == 1


def test_a_doubtful_attempt_keeps_the_whole_call_in_doubt(api: Any, bench: Any) -> None:
    api.refuse(502, "lost").refuse(401, "bad key")
    with pytest.raises(Ambiguous) as caught:
        call(bench.client(api.url), Kind.DELETE)
    assert caught.value.reason == Fault.KEY_REFUSED
    assert "an earlier attempt" in caught.value.message


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        (Kind.READ, 503, Interrupted),
        (Kind.READ, 429, Interrupted),
        (Kind.DELETE, 503, Ambiguous),
        (Kind.CREATE, 429, Refused),
    ],
)
def test_an_interruption_ends_the_waiting(api: Any, bench: Any, kind: Kind, status: int, error: type[RpdError]) -> None:
    api.refuse(status, "later", {"Retry-After": "1"})
    bench.on_wait = lambda: setattr(bench, "is_interrupted", True)
    with pytest.raises(error):
        call(bench.client(api.url), kind)
    assert len(api.calls) == 1


def test_an_effect_is_seen_through_while_somebody_wants_out(api: Any, bench: Any) -> None:
    api.answer(201, {})
    bench.is_interrupted = True
    call(bench.client(api.url), Kind.CREATE)
    with pytest.raises(Interrupted):
        call(bench.client(api.url), Kind.READ)


@pytest.mark.weak_point(4, 30)
@pytest.mark.parametrize("body", [b"", b"<html>welcome</html>", b"[]", b"null"])
def test_an_unreadable_success(api: Any, bench: Any, body: bytes) -> None:
    api.answer(201, body)
    with pytest.raises(Ambiguous) as caught:
        call(bench.client(api.url), Kind.CREATE)
    assert caught.value.reason == Fault.UNREADABLE
    api.answer(200, body)
    with pytest.raises(Unavailable) as unread:
        call(bench.client(api.url), Kind.READ)
    assert unread.value.reason == Fault.UNREADABLE


def test_a_redirect_is_not_followed(api: Any, bench: Any) -> None:
    for kind, error in ((Kind.READ, Unavailable), (Kind.CREATE, Ambiguous), (Kind.DELETE, Ambiguous)):
        for status in (301, 302, 303, 307, 308):
            api.calls.clear()
            api.answer(status, b"", {"Location": "https://sign-in.example/a?token=t0k#x"})
            with pytest.raises(error) as caught:
                call(bench.client(api.url), kind)
            assert caught.value.reason == Fault.REDIRECTED
            assert "a redirect to https://sign-in.example/a, which" in caught.value.message
            assert "is RPD_API_URL right" in caught.value.message and "RPD_API_URL" in caught.value.hint
            assert "t0k" not in repr(vars(caught.value))
            assert len(api.calls) == 1 and not bench.waits


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_compressed_body_is_not_opened(api: Any, bench: Any, encoding: str) -> None:
    api.answer(200, b"\x1f\x8b", {"Content-Encoding": encoding})
    with pytest.raises(Unavailable, match="compressed"):
        call(bench.client(api.url), Kind.READ)
    assert api.calls[0].headers["accept-encoding"] == "identity"


def test_what_every_request_carries(api: Any, bench: Any, canary: str) -> None:
    api.answer(200, {}, {"Set-Cookie": "a=b"})
    client = bench.client(api.url + "/v2/")
    call(client, Kind.STOP)
    call(client, Kind.READ)
    posted, read = api.calls
    assert posted.headers["user-agent"].startswith("rpd/")
    assert posted.headers["authorization"] == f"Bearer {canary}"
    assert posted.headers["content-type"] == "application/json"
    assert "cookie" not in read.headers
    assert "content-type" not in read.headers


def test_the_key_beats_a_netrc_entry(api: Any, bench: Any, tmp_path: Any, monkeypatch: Any, canary: str) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password other\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api.answer(200, {})
    call(bench.client(api.url), Kind.READ)
    assert api.calls[0].headers["authorization"] == f"Bearer {canary}"


def test_no_proxy_for_this_machine(api: Any, bench: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    api.answer(200, {})
    assert call(bench.client(api.url), Kind.READ) == "{}"


@pytest.mark.parametrize(
    "url",
    [
        "api.runpod.io",
        "ftp://api.runpod.io",
        "http://api.runpod.io",
        "https://user:pw@api.runpod.io",
        "https://api.runpod.io/?api_key=x",
        "",
    ],
)
def test_addresses_refused(bench: Any, url: str) -> None:
    with pytest.raises(UserError) as caught:
        bench.client(url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.runpod.io", "https://api.runpod.io"),
        ("https://api.runpod.io/v2/", "https://api.runpod.io"),
        ("http://localhost:8080/v2", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_addresses_taken(bench: Any, url: str, base: str) -> None:
    assert bench.client(url).base_url == base


def test_trouble_on_the_way_in_words(bench: Any, monkeypatch: Any, tmp_path: Any) -> None:
    """A bundle of certificates that is not there ends a call before anything leaves, and no foreign error gets out."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    with pytest.raises(NotSent, match=r"api\.invalid cannot be reached"):
        call(bench.client("https://api.invalid"), Kind.CREATE)


def test_a_stream_that_cannot_be_opened(bench: Any) -> None:
    with pytest.raises(Unavailable):
        bench.client("http://127.0.0.1:1").listen("/v2/pods/p/logs", {}, seconds=1, quiet=1)


def test_a_body_without_an_end_is_not_read_on(api: Any, bench: Any) -> None:
    """What came of it is worth nothing, even if it makes sense."""
    api.answer(200, {"id": "p", "pad": "x" * 100_000})
    with pytest.raises(Unavailable, match="a body of more than 50000 bytes") as caught:
        call(bench.client(api.url, body_bytes=50_000, attempts=1), Kind.READ)
    assert caught.value.reason == Fault.UNREADABLE
    api.answer(200, {"id": "p", "pad": "x" * 100_000})
    with pytest.raises(Ambiguous):
        call(bench.client(api.url, body_bytes=50_000, attempts=1), Kind.CREATE)


@pytest.mark.parametrize("status", [301, 307])
def test_the_body_of_a_redirect_is_not_read_on(bench: Any, raw: Any, status: int) -> None:
    sent: list[int] = []

    def pour(connection: Any) -> None:
        connection.sendall(b"HTTP/1.1 %d x\r\nLocation: https://sign-in.example/\r\n\r\n" % status)
        with contextlib.suppress(OSError):
            for _ in range(30):
                connection.sendall(b" " * 1_000_000)
                sent.append(1)

    with pytest.raises(Unavailable) as caught:
        call(bench.client(raw(pour).url, body_bytes=50_000, attempts=1), Kind.READ)
    assert caught.value.reason == Fault.REDIRECTED
    assert len(sent) < 20, "what the system holds, and no more"
