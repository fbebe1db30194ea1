"""A server that speaks without end, or lies about how much follows, is left in time and with little memory."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace

import pytest

from rpd.adapters.ssh.connection import Connection, collect
from rpd.adapters.ssh.pulse import Pulse
from rpd.adapters.ssh.timeouts import Timeouts
from rpd.adapters.ssh.wire import Wire
from rpd.engine.errors import Interrupted, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import SshAddress
from tests.adapters.ssh.ssh_server import Server, eventually
from tests.fakes.link import MEGABYTE, Link, Said, endless
from tests.memory import little_memory

SHORT = Timeouts(connect=2, banner=0.5, auth=1, channel=1, pulse=0.2, silence=1.0, stall=1)


@contextlib.contextmanager
def speaker(words: Callable[[], Iterable[bytes]]) -> Iterator[SshAddress]:
    """A server that says these bytes to whoever comes, and then nothing more."""
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            client.settimeout(0.5)
            with client:
                for piece in words():
                    if over.is_set():
                        return
                    client.sendall(piece)
                over.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield SshAddress("127.0.0.1", listener.getsockname()[1])
        finally:
            over.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@pytest.mark.parametrize(
    "words",
    [
        lambda: endless(b"x"),
        lambda: endless(b"hello\n"),
        lambda: itertools.chain([b"SSH-2.0-x\r\n"], endless(b"\xff\xff\xff\xf0")),
        lambda: [b"SSH-2.0-x\r\n", b"\x7f\xff\xff\xf0" + bytes(12)],
        lambda: [b"SSH-9.9-" + b"y" * 200_000 + b"\r\n"],
        lambda: [b"\x1b]0;title\x07" * 5000 + b"\r\n"] * 100,
    ],
    ids=["no-line", "lines", "packets", "long-packet", "version", "titles"],
)
def test_a_greeting_without_end(server: Server, words: Callable[[], Iterable[bytes]]) -> None:
    began = time.monotonic()
    with little_memory(48 * MEGABYTE), speaker(words) as address, pytest.raises(Unavailable) as caught:
        Connection.open(address, key_path=server.key, host_key=None, alias="rpd-pod-x", timeouts=SHORT)
    assert caught.value.reason == Fault.SSH_UNREACHABLE
    assert len(caught.value.message) < 1000 and "\x1b" not in caught.value.message
    assert time.monotonic() - began < 8


def test_no_packet_is_waited_for_that_nobody_sends() -> None:
    here, there = socket.socketpair()
    with there, Wire(fileno=here.detach()) as wire:
        there.sendall(b"hello")
        with pytest.raises(OSError, match="packet"):
            wire.recv(0xFFFFFFF0)
        assert wire.recv(256 * 1024) == b"hello" and wire.received == 5


class Buffered:
    """A transport with one channel of so many unread bytes."""

    def __init__(self, stdout: int, stderr: int) -> None:
        channel = SimpleNamespace(in_buffer=bytes(stdout), in_stderr_buffer=bytes(stderr), in_window_size=2 * MEGABYTE)
        self._channels = SimpleNamespace(values=lambda: [channel])
        self.is_open = True

    def is_active(self) -> bool:
        return self.is_open

    def close(self) -> None:
        self.is_open = False

    def _send_user_message(self, message: object) -> None:
        """It is alive."""


@pytest.mark.parametrize(("stdout", "stderr"), [(4 * MEGABYTE, 0), (0, 4 * MEGABYTE)])
def test_a_server_that_ignores_the_window_is_left(stdout: int, stderr: int) -> None:
    transport = Buffered(stdout, stderr)
    pulse = Pulse(transport, SimpleNamespace(received=1, unacknowledged=lambda: 0), SHORT)  # type: ignore[arg-type]
    eventually(lambda: not transport.is_open, "it is closed")
    assert "more than it may" in pulse.verdict
    pulse.stop()


def test_a_full_window_is_none_that_was_ignored() -> None:
    transport = Buffered(2 * MEGABYTE, 0)
    pulse = Pulse(transport, SimpleNamespace(received=1, unacknowledged=lambda: 0), SHORT)  # type: ignore[arg-type]
    assert not pulse._is_flooded()
    transport.close()
    pulse.stop()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_without_end_has_its_deadline_and_its_bound(stream: str) -> None:
    link = Link(Said(**{stream: endless(b"y\n")}))
    with little_memory(8 * MEGABYTE), pytest.raises(Unavailable) as caught:
        collect(link.channel("x"), time.monotonic() + 0.2, MEGABYTE)  # type: ignore[arg-type]
    assert caught.value.reason == Fault.TIMEOUT
    assert link.channels[0].taken > 50 * MEGABYTE


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_flood_does_not_deafen(stream: str) -> None:
    asked = iter([False] * 20)
    link = Link(Said(**{stream: endless(b"y\n")}), interrupted=lambda: next(asked, True))
    with pytest.raises(Interrupted):
        collect(link.channel("x"), time.monotonic() + 60, MEGABYTE)  # type: ignore[arg-type]


def test_what_comes_before_the_boundary_is_not_kept() -> None:
    from rpd.adapters.ssh.channel import Channel

    class Raw:
        """It prints, but never begins."""

        def __init__(self) -> None:
            self.pieces = endless(b"welcome\n")
            self.taken = 0

        def settimeout(self, seconds: float) -> None:
            """Never waits."""

        def recv(self, size: int) -> bytes:
            self.taken += MEGABYTE
            return next(self.pieces)

        recv_stderr = recv

        def recv_ready(self) -> bool:
            return True

        recv_stderr_ready = recv_ready

    raw = Raw()
    channel = Channel(
        raw,  # type: ignore[arg-type]
        b"<0123456789abcdef>",
        stall_seconds=1.0,
        interrupted=lambda: False,
        why_lost=lambda: "",
    )
    with little_memory(8 * MEGABYTE):
        assert channel.recv(0.2) is None
    assert raw.taken > 10 * MEGABYTE


@pytest.mark.parametrize("breaks_at", ["open_session", "exec_command"])
def test_a_command_counts_as_sent_once_it_was_asked_for(breaks_at: str) -> None:
    class Raw:
        """A channel whose command is asked for and never confirmed."""

        event = threading.Event()

        def exec_command(self, line: bytes) -> None:
            raise EOFError

    class Opening(Buffered):
        """A transport that may open a channel."""

        def open_session(self, window: int, timeout: float) -> Raw:
            if breaks_at == "open_session":
                raise EOFError
            return Raw()

        def join(self, seconds: float) -> None:
            """It has ended."""

    wire = SimpleNamespace(received=1, unacknowledged=lambda: 0, hang_up=lambda: None)
    connection = Connection(
        Opening(0, 0),  # type: ignore[arg-type]
        wire,  # type: ignore[arg-type]
        host_key="SHA256:x",
        timeouts=SHORT,
        interrupted=lambda: False,
        since=(time.time(), time.monotonic()),
    )
    with pytest.raises(Unavailable) as caught:
        connection.channel("rm -f x")
    assert caught.value.reason == Fault.LINK_LOST and caught.value.detail == {"sent": breaks_at == "exec_command"}
