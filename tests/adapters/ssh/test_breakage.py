"""The link breaks at the n-th send or receive, for n = 1, 2, 3, ... until all goes well: no place may be overlooked."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.ssh.login import log_in
from rpd.adapters.ssh.timeouts import Timeouts
from rpd.adapters.ssh.wire import Wire
from rpd.engine.errors import Interrupted, Refused, Unavailable
from rpd.states.ports.faults import Fault
from tests.adapters.ssh.ssh_server import Server, eventually

PATIENT = Timeouts(connect=5, banner=30, auth=30, channel=30, pulse=5, silence=30, stall=30)
"""Long enough that a thread that only a timeout ends counts as left behind."""
PLACES = [(way, how) for way in ("send", "recv") for how in ("hang-up", "reset")]


class BreakingWire(Wire):
    """Breaks at the n-th call of one kind, quietly or with an error, and stays broken."""

    def __init__(self, place: tuple[str, str], left: int) -> None:
        super().__init__()
        self._way, self._how = place
        self._left = left
        self.is_broken = False

    def send(self, data: bytes, flags: int = 0, /) -> int:  # type: ignore[override]
        """As `socket.send`, until it breaks."""
        self._count("send")
        return super().send(data, flags)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As `socket.recv`, until it breaks."""
        self._count("recv")
        return super().recv(bufsize, flags)

    def _count(self, way: str) -> None:
        if way == self._way:
            self._left -= 1
            if self._left == 0:
                self.is_broken = True
                self.hang_up()
        if self.is_broken and self._how == "reset":
            raise OSError(errno.ECONNRESET, "reset by the test")


def wires(server: Server, place: tuple[str, str]) -> Iterator[BreakingWire]:
    """Connected wires that break ever later, until one was not broken in its use."""
    for left in range(1, 500):
        wire = BreakingWire(place, left)
        wire.connect((server.address.host, server.address.port))
        yield wire
        wire.close()
        if not wire.is_broken:
            assert left > 5, "nothing was counted"
            return
    raise AssertionError("it never ended well")


def log_in_over(wire: Wire, server: Server) -> Connection:
    """As `Connection.open` does."""
    transport, host_key = log_in(
        wire,
        server.address,
        key_path=server.key,
        pin=None,
        alias="rpd-pod-test",
        timeouts=PATIENT,
        interrupted=lambda: False,
    )
    return Connection(
        transport,
        wire,
        host_key=host_key,
        timeouts=PATIENT,
        interrupted=lambda: False,
        since=(time.time(), time.monotonic()),
    )


def assert_all_ended(before: set[threading.Thread]) -> None:
    """No thread of a connection is left; one that was told to end gets a moment."""
    eventually(lambda: set(threading.enumerate()) <= before, f"no thread beyond {before}", seconds=3.0)


def attempt(act: Callable[[], None]) -> Unavailable | None:
    """The error of a broken link, None when all went well; every other kind fails the test."""
    try:
        act()
    except (Unavailable, Refused, Interrupted) as error:
        assert isinstance(error, Unavailable), f"a broken link is no refusal: {error}"
        assert error.retryable and "no answer in time" not in error.message
        return error
    return None


@pytest.mark.parametrize("place", PLACES, ids="-".join)
def test_a_login_broken_anywhere_is_unreachable_and_leaves_nothing(server: Server, place: tuple[str, str]) -> None:
    before = set(threading.enumerate())
    for wire in wires(server, place):
        error = attempt(lambda: log_in_over(wire, server).close())  # noqa: B023
        assert error is None or error.reason == Fault.SSH_UNREACHABLE
        assert wire.is_broken or error is None
        assert_all_ended(before)


@pytest.mark.parametrize("place", PLACES, ids="-".join)
def test_an_exchange_broken_anywhere_is_a_lost_link_and_leaves_nothing(
    server: Server, place: tuple[str, str], tmp_path: Path
) -> None:
    before = set(threading.enumerate())
    for number, wire in enumerate(wires(server, place)):
        error = attempt(lambda: exchange(wire, server, tmp_path / str(number)))  # noqa: B023
        assert wire.is_broken or error is None
        assert_all_ended(before)


def exchange(wire: Wire, server: Server, mark: Path) -> None:
    """Log in, run a script that leaves a mark, and stream; a script said not to have been sent leaves none."""
    connection = log_in_over(wire, server)
    done = None
    try:
        done = connection.run(f": >'{mark}'; echo out; echo err >&2", timeout_seconds=20)
        assert (done.exit_code, done.stdout, done.stderr) == (0, b"out\n", b"err\n")
        stream(connection)
    except Unavailable as error:
        assert error.reason == Fault.LINK_LOST
        assert error.detail["sent"] or done or not mark.exists()
        raise
    finally:
        connection.close()


def stream(connection: Connection) -> None:
    """A command that is sent something, answers with it and ends with a code."""
    channel = connection.channel("cat; exit 3")
    try:
        if channel.send(b"x" * 100_000):
            channel.send_eof()
        received = b""
        while (data := channel.recv(20.0)) != b"":
            assert data is not None
            received += data
        assert channel.exit_status(20.0) == 3 and len(received) == 100_000
    finally:
        channel.close()
