"""Broken answers from real sockets: what left, what came, and that every call ends on time."""

from __future__ import annotations

import datetime
import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rpd.adapters.runpod.answer import Unreadable
from rpd.adapters.runpod.errors import Kind
from rpd.engine.errors import Ambiguous, Interrupted, NotSent, Unavailable
from rpd.states.ports.faults import Fault

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ACTION = b'{"action":"stop"}'


def keep(body: bytes) -> bytes:
    return body


def reset(connection: socket.socket) -> None:
    """Close with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(_connection: socket.socket) -> None:
    """Close without a word."""


def half_a_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b'Content-Length: 100\r\n\r\n{"id":"p1"')


def half_a_chunk(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\n{")


def a_chunk_of_no_size(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n-" + b"f" * 400 + b"\r\n{")


def half_a_head(connection: socket.socket) -> None:
    connection.sendall(HEAD)


def no_http(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def a_huge_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 50000000\r\n\r\n")
    for _ in range(800):
        connection.sendall(b"x" * 65536)


@pytest.mark.parametrize(
    ("serve", "fault"),
    [
        (reset, Fault.CONNECTION_LOST),
        (hang_up, Fault.CONNECTION_LOST),
        (half_a_head, Fault.UNREADABLE),
        (no_http, Fault.CONNECTION_LOST),
        (half_a_body, Fault.UNREADABLE),
        (half_a_chunk, Fault.UNREADABLE),
        (a_chunk_of_no_size, Fault.UNREADABLE),
        (a_huge_body, Fault.UNREADABLE),
    ],
)
def test_a_broken_answer_leaves_an_effect_in_doubt(bench: Any, raw: Any, serve: Any, fault: Fault) -> None:
    server = raw(serve)
    client = bench.client(server.url)
    with pytest.raises(Ambiguous) as caught:
        client.create("/v2/pods", b"{}", _strict)
    assert caught.value.reason == fault
    assert len(server.requests) == 1
    with pytest.raises(Unavailable):
        client.get("/v2/pods", _strict)
    assert len(server.requests) == 5


def test_a_broken_read_is_sent_again(bench: Any, raw: Any) -> None:
    answers = [reset, half_a_body, lambda connection: connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")]
    server = raw(lambda connection: answers.pop(0)(connection))
    assert bench.client(server.url).get("/v2/pods", keep) == b"{}"


@pytest.mark.parametrize("part", ["status", "head", "body", "chunks"])
def test_dripping_bytes_end_at_the_deadline(bench: Any, raw: Any, part: str) -> None:
    def drip(connection: socket.socket) -> None:
        if part == "head":
            connection.sendall(HEAD)
        elif part == "body":
            connection.sendall(HEAD + b"Content-Length: 5000\r\n\r\n")
        elif part == "chunks":
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        byte = {"status": b"", "head": b"X", "body": b"{", "chunks": b"1\r\n{\r\n"}[part]
        while server.pause(0.05):
            connection.sendall(byte)

    server = raw(drip)
    started = time.monotonic()
    with pytest.raises(Ambiguous) as caught:
        bench.client(server.url, create_seconds=0.6).create("/v2/pods", b"{}", keep)
    assert 0.5 < time.monotonic() - started < 3.0
    assert caught.value.reason in (Fault.TIMEOUT, Fault.UNREADABLE)
    assert "in time" in caught.value.message


def test_a_silent_read_ends_in_its_time(bench: Any, raw: Any) -> None:
    asked: list[float] = []

    def serve(_connection: socket.socket) -> None:
        asked.append(time.monotonic())
        server.pause(20)

    server = raw(serve)
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        bench.client(server.url, answer_seconds=1.2).get("/v2/pods", keep)
    assert 1.1 < time.monotonic() - started < 2.0, "all attempts of a read share its time"
    assert caught.value.reason == Fault.TIMEOUT
    assert len(asked) == 2, "the first connection may have been dead, so there was a second one"


def test_a_slow_answer_is_waited_for(bench: Any, raw: Any) -> None:
    def serve(connection: socket.socket) -> None:
        server.pause(0.8)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    server = raw(serve)
    assert bench.client(server.url, answer_seconds=1.8).get("/v2/pods", keep) == b"{}"


def test_a_silent_read_ends_when_somebody_wants_out(bench: Any, raw: Any) -> None:
    server = raw(lambda _connection: server.pause(20))
    timer = threading.Timer(0.3, lambda: setattr(bench, "is_interrupted", True))
    timer.start()
    started = time.monotonic()
    with pytest.raises(Interrupted):
        bench.client(server.url, answer_seconds=15).get("/v2/pods", keep)
    timer.join()
    assert time.monotonic() - started < 5.0


def test_a_read_cut_in_its_body_ends_when_somebody_wants_out(bench: Any, raw: Any) -> None:
    def serve(connection: socket.socket) -> None:
        half_a_body(connection)
        bench.is_interrupted = True
        server.pause(20)

    server = raw(serve)
    with pytest.raises(Interrupted):
        bench.client(server.url, answer_seconds=15).get("/v2/pods", keep)


def test_nobody_listens(bench: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    client = bench.client(url)
    for call in (lambda: client.create("/v2/pods", b"{}", keep), lambda: client.delete("/v2/pods/p")):
        with pytest.raises(NotSent, match=r"127\.0\.0\.1 refuses the connection") as caught:
            call()
        assert caught.value.reason == Fault.NOT_SENT
    with pytest.raises(Unavailable) as unread:
        client.get("/v2/pods", keep)
    assert unread.value.reason == Fault.NOT_SENT


def test_an_unknown_name(bench: Any, monkeypatch: Any) -> None:
    _no_proxies(monkeypatch)
    with pytest.raises(NotSent, match=r"cannot be (resolved|reached)"):
        bench.client("https://no-such-host.invalid").act(Kind.STOP, "/v2/pods/p/action", ACTION, keep)


def test_a_certificate_nobody_vouches_for(bench: Any, tls: Any) -> None:
    with pytest.raises(NotSent, match=r"certificate of localhost cannot be trusted: .*self"):
        bench.client(tls.url).create("/v2/pods", b"{}", keep)
    assert tls.requests == []


def test_no_tls_at_all(bench: Any, raw: Any) -> None:
    server = raw(no_http, reads=False)
    with pytest.raises(NotSent, match="no TLS connection"):
        bench.client(server.url.replace("http:", "https:")).create("/v2/pods", b"{}", keep)


def test_over_tls_what_left_is_known(bench: Any, tls: Any) -> None:
    client = bench.client(tls.url, create_seconds=0.8)
    client._session._requests.verify = str(tls.certificate)  # the one thing only a real authority could give
    tls.answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
    assert client.create("/v2/pods", b"{}", keep) == b"{}"
    tls.answer = b""
    with pytest.raises(Ambiguous) as lost:
        client.create("/v2/pods", b"{}", keep)
    assert lost.value.reason == Fault.CONNECTION_LOST
    tls.answer = None
    with pytest.raises(Ambiguous) as late:
        client.create("/v2/pods", b"{}", keep)
    assert late.value.reason == Fault.TIMEOUT
    assert len(tls.requests) == 3


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
def test_what_a_proxy_hears_is_not_the_request(
    bench: Any, raw: Any, monkeypatch: Any, canary: str, status: str
) -> None:
    server = raw(lambda connection: connection.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode()))
    _no_proxies(monkeypatch)
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    with pytest.raises(NotSent, match=r"the proxy does not lead to api\.invalid"):
        bench.client("https://api.invalid").create("/v2/pods", b"{}", keep)
    assert server.requests[0].startswith(b"CONNECT api.invalid:443")
    assert canary.encode() not in server.requests[0]


def test_a_create_never_rides_on_an_old_connection(bench: Any, raw: Any) -> None:
    """The server forgets idle connections: a create on one would be lost, and look as if its answer were."""
    reply = HEAD + b"Content-Length: 2\r\n\r\n{}"

    def once(connection: socket.socket) -> None:
        connection.sendall(reply)
        server.pause(0.2)
        reset(connection)

    server = raw(once)
    client = bench.client(server.url)
    assert client.get("/v2/pods", keep) == b"{}"
    assert client.create("/v2/pods", b"{}", keep) == b"{}"
    assert len(server.requests) == 2


def test_connections_are_reused_by_reads(bench: Any, raw: Any) -> None:
    reply = HEAD + b"Content-Length: 2\r\n\r\n{}"

    def twice(connection: socket.socket) -> None:
        connection.sendall(reply)
        server.requests.append(connection.recv(65536))
        connection.sendall(reply)

    server = raw(twice)
    client = bench.client(server.url)
    assert [client.get("/v2/pods", keep) for _ in range(2)] == [b"{}"] * 2
    assert len(server.requests) == 2


def _strict(body: bytes) -> bytes:
    if not body.endswith(b"}"):
        raise Unreadable("it is not an object")
    return body


def _no_proxies(monkeypatch: Any) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class TlsServer:
    """Answers `answer`: bytes and then a close, or None for silence."""

    def __init__(self, folder: Path, raw: Any) -> None:
        self.certificate = folder / "cert.pem"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate.touch(mode=0o600)
        _self_signed(self.certificate)
        self._context.load_cert_chain(self.certificate)
        self.answer: bytes | None = None
        self.requests: list[bytes] = []
        self._raw = raw(self._serve, reads=False)
        self.url = self._raw.url.replace("http://127.0.0.1", "https://localhost")

    def _serve(self, connection: socket.socket) -> None:
        with self._context.wrap_socket(connection, server_side=True) as inner:
            request = b""
            while not request.endswith(b"{}"):
                request += inner.recv(65536)
            self.requests.append(request)
            if self.answer is None:
                self._raw.pause(5)
            else:
                inner.sendall(self.answer)


@pytest.fixture
def tls(tmp_path: Path, raw: Any) -> TlsServer:
    return TlsServer(tmp_path, raw)


def _self_signed(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
