"""Ports that lead into a pod: bytes, ends, many at once, lost links, and what a check says."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from rpd.adapters.tunnels import forward as forward_module
from rpd.adapters.tunnels import link as link_module
from rpd.adapters.tunnels.forwards import Forwards
from rpd.adapters.tunnels.verifying import Unverified, Verified, Why
from rpd.engine.errors import RpdError, Unavailable, UserError
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import SshAddress
from tests.adapters.ssh.ssh_server import Proxy, Server, eventually
from tests.adapters.tunnels import pod_services as services
from tests.adapters.tunnels.conftest import forwards_over

UP_SECONDS = 20.0


def read_all(client: socket.socket) -> bytes:
    """All to the end. Raises ConnectionResetError for a stream that was cut."""
    parts = []
    while data := client.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


@pytest.mark.parametrize("name", ["rpd-forward", "rpd-forward-up"])
def test_a_port_outlives_a_moment_without_threads(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shipped, refused = threading.Thread.start, [name] * 3

    def start(thread: threading.Thread) -> None:
        if thread.name == name and refused:
            refused.pop()
            raise RuntimeError("can't start new thread")
        shipped(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with services.service(services.echo) as port, forwards_over(server) as forwards:
        forward = forwards.open(port)
        for _ in range(3):
            with dial(forward.local_port) as client, pytest.raises(ConnectionResetError):
                read_all(client)
        with dial(forward.local_port) as client:
            client.sendall(b"still here")
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"still here"


def test_bytes_go_both_ways_and_each_way_ends_on_its_own(server: Server) -> None:
    data = os.urandom(3_000_000)
    with (
        services.service(services.counts) as port,
        forwards_over(server) as forwards,
        dial(forwards.open(port).local_port) as client,
    ):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)  # the answer comes only after this end
        assert read_all(client) == b"3000000"
    with (
        services.service(services.echo) as port,
        forwards_over(server) as forwards,
        dial(forwards.open(port).local_port) as client,
    ):
        writing = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        writing.start()
        assert hashlib.sha256(read_all(client)).digest() == hashlib.sha256(data).digest()
        writing.join(10)


def test_nothing_is_lost_when_the_service_ends_first(server: Server) -> None:
    data = os.urandom(5_000_000)

    def sends(client: socket.socket) -> None:
        client.sendall(data)

    with services.service(sends) as port, forwards_over(server) as forwards:
        forward = forwards.open(port)
        for _ in range(5):
            with dial(forward.local_port) as client:
                threading.Event().wait(0.05)  # the end is there before the first read
                assert read_all(client) == data
        eventually(lambda: forward.connections == 0, "the connections are over")


def test_a_client_that_does_not_read_holds_up_the_service(server: Server) -> None:
    """Nothing is gathered here but the channel's window and what the kernels hold."""
    sent = [0]

    def floods(client: socket.socket) -> None:
        piece = bytes(65536)
        while True:
            sent[0] += client.send(piece)

    with (
        services.service(floods) as port,
        forwards_over(server) as forwards,
        dial(forwards.open(port).local_port) as client,
    ):
        client.recv(1)
        before = -1
        deadline = time.monotonic() + 30
        while sent[0] != before and time.monotonic() < deadline:
            before = sent[0]
            threading.Event().wait(0.7)
        assert sent[0] == before, "the service is never held up"
        assert sent[0] < 60_000_000
        client.recv(1 << 20)


def test_many_connections_at_once_and_then_none_is_left(server: Server) -> None:
    threads_before = threading.active_count()
    with services.service(services.echo) as port, forwards_over(server) as forwards:
        forward = forwards.open(port)
        clients = [dial(forward.local_port) for _ in range(forward_module.CONNECTIONS_MAX + 6)]
        for number, client in enumerate(clients[: forward_module.CONNECTIONS_MAX]):
            client.sendall(str(number).encode())
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == str(number).encode()
        assert forward.connections <= forward_module.CONNECTIONS_MAX
        for client in clients[forward_module.CONNECTIONS_MAX :]:  # these waited in the backlog
            client.sendall(b"late")
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"late"
        for client in clients:
            client.close()
        eventually(lambda: forward.connections == 0, "the connections are over")
    eventually(lambda: threading.active_count() <= threads_before, "no thread is left")


def test_the_same_number_here_or_the_next_free_one(server: Server) -> None:
    said: list[str] = []
    with services.service(services.echo) as port, forwards_over(server, said=said) as forwards:
        moved = forwards.open(port)  # the service itself has that number on this machine
        assert port < moved.local_port <= port + 50 and moved.url == f"http://127.0.0.1:{moved.local_port}"
        assert any(moved.url in text for text in said)
        with pytest.raises(UserError, match=f"port {moved.local_port} of this machine is taken") as taken:
            forwards.open(port, moved.local_port)
        assert f"{port}:{moved.local_port + 1}" in taken.value.hint
        with pytest.raises(OSError) as other:
            socket.create_server(("127.0.0.1", moved.local_port), reuse_port=False)
        assert other.value.errno == errno.EADDRINUSE


def test_a_port_can_be_opened_again_at_once(server: Server) -> None:
    with services.service(services.echo) as port:
        with forwards_over(server) as forwards:
            local = forwards.open(port).local_port
            with dial(local) as client:
                client.sendall(b"x")
                assert client.recv(1) == b"x"
        with forwards_over(server) as forwards:
            assert forwards.open(port, local).local_port == local


def test_it_is_open_on_loopback_alone(server: Server) -> None:
    with services.service(services.echo) as port, forwards_over(server) as forwards:
        local = forwards.open(port).local_port
        listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        addresses = {words[1] for words in listening if words[3] == "0A" and words[1].endswith(f":{local:04X}")}
        assert addresses == {f"0100007F:{local:04X}"}


def checked(forwards: Forwards, port: int, seconds: float = 5.0) -> Verified | Unverified:
    forwards.link.connection(UP_SECONDS)
    return forwards.check(forwards.open(port), "/", seconds)


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "404 Not Found", "401 Unauthorized"])
def test_a_status_below_500_verifies(server: Server, status: str) -> None:
    with services.service(services.answers(status)) as port, forwards_over(server) as forwards:
        found = checked(forwards, port)
        assert isinstance(found, Verified) and found.status == int(status.split(maxsplit=1)[0])


@pytest.mark.parametrize(
    ("talk", "why", "words"),
    [
        (services.answers("503 Service Unavailable"), Why.SERVER_ERROR, "status 503"),
        (services.greets, Why.NOT_HTTP, "does not speak HTTP"),
        (services.hangs_up, Why.NOT_HTTP, "does not speak HTTP"),
        (services.mute, Why.SILENT, "accepts, and has not answered for 1 s"),
        (services.drips, Why.SILENT, "accepts, and has not answered for 1 s"),
    ],
    ids=["error", "foreign", "hangs-up", "mute", "drips"],
)
def test_what_answers_otherwise_does_not_verify(server: Server, talk: services.Talk, why: Why, words: str) -> None:
    with services.service(talk) as port, forwards_over(server) as forwards:
        found = checked(forwards, port, 1.0)
        assert isinstance(found, Unverified) and found.why == why and words in found.text


def test_nothing_listens_in_the_pod_yet_and_later_it_does(server: Server) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with forwards_over(server) as forwards:
        forwards.link.connection(UP_SECONDS)
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            forward = forwards.open(port, _free())
            found = forwards.check(forward)
            assert isinstance(found, Unverified) and found.why == Why.NO_LISTENER
            assert f"nothing listens on port {port} of the pod yet" in found.text
            with pytest.raises(ConnectionResetError):  # a client sees a failure, not an empty answer
                read_all(dial(forward.local_port))
            elsewhere.close()
    with services.service(services.answers("200 OK")) as port, forwards_over(server) as forwards:
        assert isinstance(checked(forwards, port), Verified)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_sshd_that_forwards_no_ports_says_so(tmp_path: Path) -> None:
    with (
        Server(tmp_path / "ssh", AllowTcpForwarding="no") as barred,
        services.service(services.echo) as port,
        forwards_over(barred) as forwards,
    ):
        found = checked(forwards, port)
        assert isinstance(found, Unverified) and found.why == Why.BARRED and "AllowTcpForwarding" in found.text


def test_a_lost_link_comes_back_and_a_cut_stream_ends_with_a_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(link_module, "FIRST_PAUSE_SECONDS", 0.1)
    said: list[str] = []
    with (
        Server(tmp_path / "ssh") as own,
        services.service(services.echo) as port,
        forwards_over(own, said=said) as forwards,
    ):
        forward = forwards.open(port)
        client = dial(forward.local_port)
        client.sendall(b"before")
        assert client.recv(6) == b"before"
        own.stop()
        with pytest.raises(ConnectionResetError):
            read_all(client)
        eventually(lambda: forwards.link.state == "down", "the link is down")
        found = forwards.check(forward)
        assert isinstance(found, Unverified) and found.why == Why.LINK_DOWN
        waiting = dial(forward.local_port)  # it is held until the link is back
        waiting.sendall(b"through")
        own.start()
        assert waiting.recv(7) == b"through"
        assert any("lost" in text for text in said) and forwards.link.losses == 1
        client.close()
        waiting.close()


def test_a_silent_link_is_lost_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "LOOK_SECONDS", 0.1)
    with (
        Server(tmp_path / "ssh") as own,
        services.service(services.echo) as port,
        forwards_over(own) as forwards,
        dial(forwards.open(port).local_port) as client,
    ):
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        own.freeze()
        with pytest.raises(ConnectionResetError):
            read_all(client)


def test_a_stream_that_is_cut_in_its_middle_is_no_whole_one(server: Server) -> None:
    """The service has sent everything and ended; only a part has come when the link breaks."""

    def sends(client: socket.socket) -> None:
        client.sendall(bytes(20_000_000))

    with (
        services.service(sends) as port,
        Proxy(server.port, reset_after=3_000_000) as proxy,
        forwards_over(server, locate=lambda pod_id: proxy.address) as forwards,
        dial(forwards.open(port).local_port) as client,
        pytest.raises(ConnectionResetError),
    ):
        read_all(client)


def test_another_host_key_ends_the_link_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "LOOK_SECONDS", 0.1)
    with (
        Server(tmp_path / "ssh") as own,
        services.service(services.echo) as port,
        forwards_over(own) as forwards,
    ):
        forward = forwards.open(port)
        forwards.link.connection(UP_SECONDS)
        own.stop()
        own.change_host_key()
        own.start()
        assert forwards.link.wait_over(UP_SECONDS)
        assert forwards.link.error is not None and forwards.link.error.reason == Fault.HOST_KEY_CHANGED
        with pytest.raises(ConnectionResetError):
            read_all(dial(forward.local_port))
        with pytest.raises(RpdError, match="not the pinned one"):
            forwards.link.connection(0.1)


def test_a_stopped_pod_ends_the_link_after_several_looks(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "FIRST_PAUSE_SECONDS", 0.01)
    looks = []

    def locate(pod_id: str) -> SshAddress | None:
        looks.append(pod_id)
        raise Unavailable("pod p1 is stopped", reason=Fault.SSH_UNREACHABLE, retryable=False)

    with forwards_over(server, locate=locate) as forwards:
        assert forwards.link.wait_over(UP_SECONDS)
        assert forwards.link.error is not None and "is stopped" in forwards.link.error.message
        assert len(looks) == link_module.GONE_LOOKS


def test_closing_does_not_wait_for_clients(server: Server) -> None:
    with services.service(services.mute) as port:
        with forwards_over(server) as forwards:
            client = dial(forwards.open(port).local_port)
            client.sendall(b"x")
            began = time.monotonic()
        assert time.monotonic() - began < 8
        with pytest.raises(OSError):
            dial(int(client.getpeername()[1]))
        client.close()
