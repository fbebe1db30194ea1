"""The TCP socket under a connection: dialled with deadlines, tuned, with a count of the received bytes."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable

from rpd.adapters.ssh.timeouts import POLL_SECONDS
from rpd.engine.errors import Interrupted, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import SshAddress

PACKET_BYTES_MAX = 1024 * 1024
"""We ask for packets of 32 KiB. OpenSSH takes and sends none above 256 KiB."""

# Python names these options on Linux only. The numbers are those of macOS.
_DARWIN_KEEPALIVE = 0x10
_DARWIN_RXT_CONNDROPTIME = 0x80
_DARWIN_SO_NWRITE = 0x1024


class Wire(socket.socket):
    """A socket that knows how much it received, so that silence can be told from life."""

    received = 0

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As `socket.recv`, counted. Raises OSError if a packet is announced that no server needs to send: paramiko
        would gather up to 4 GB of it."""
        if bufsize > PACKET_BYTES_MAX:
            raise OSError(errno.EMSGSIZE, f"the other side announced a packet of {bufsize} bytes")
        data = super().recv(bufsize, flags)
        self.received += len(data)
        return data

    def hang_up(self) -> None:
        """End both directions at once. This wakes a blocked reader; closing alone would not."""
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def unacknowledged(self) -> int:
        """Bytes written that the peer's kernel has not acknowledged. 0 if the platform cannot say."""
        try:
            if sys.platform == "linux":
                import fcntl
                import termios

                return int(struct.unpack("i", fcntl.ioctl(self.fileno(), termios.TIOCOUTQ, bytes(4)))[0])
            if sys.platform == "darwin":
                return self.getsockopt(socket.SOL_SOCKET, _DARWIN_SO_NWRITE)
        except (OSError, ValueError):  # closed by another thread
            return 0
        return 0


_CLOSED = frozenset(map(os.strerror, (errno.ECONNREFUSED, errno.ECONNRESET)))
"""The errors by which the owner of a port answers while no process listens behind it."""


def dial(address: SshAddress, timeout_seconds: float, silence_seconds: float, interrupted: Callable[[], bool]) -> Wire:
    """A connected, tuned socket. Raises Unavailable (`ssh_unreachable`, with `closed` if no process listens there) or
    Interrupted."""
    deadline = time.monotonic() + timeout_seconds
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _unreachable(address, str(error)) from error
    problem = "no address"
    for family, kind, protocol, _, where in found:
        wire = Wire(family, kind, protocol)
        try:
            problem = _connect(wire, where, deadline, interrupted)
            if not problem:
                _tune(wire, silence_seconds)
                return wire
        except OSError as error:
            problem = error.strerror or str(error)
        except BaseException:
            wire.close()
            raise
        wire.close()
    raise _unreachable(address, problem)


def _connect(wire: Wire, where: object, deadline: float, interrupted: Callable[[], bool]) -> str:
    """Connect without blocking longer than a poll. Returns what went wrong, or an empty string."""
    wire.setblocking(False)
    code = wire.connect_ex(where)  # type: ignore[arg-type]
    if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
        return os.strerror(code)
    while not select.select([], [wire], [], POLL_SECONDS)[1]:
        if interrupted():
            raise Interrupted("interrupted while connecting", reason=Fault.INTERRUPTED)
        if time.monotonic() > deadline:
            return "no answer in time"
    code = wire.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return os.strerror(code) if code else ""


def _tune(wire: Wire, silence_seconds: float) -> None:
    """Send small packets at once. The kernel too gives a dead peer up after about `silence_seconds`."""
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    seconds = max(1, int(silence_seconds))
    if sys.platform == "linux":
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 2000)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 3))
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    elif sys.platform == "darwin":
        wire.setsockopt(socket.IPPROTO_TCP, _DARWIN_KEEPALIVE, seconds)
        wire.setsockopt(socket.IPPROTO_TCP, _DARWIN_RXT_CONNDROPTIME, seconds * 2)


def _unreachable(address: SshAddress, problem: str) -> Unavailable:
    text = f"SSH at {address.host} port {address.port} cannot be reached: {problem}"
    detail: dict[str, object] = {"closed": True} if problem in _CLOSED else {}
    return Unavailable(text, reason=Fault.SSH_UNREACHABLE, detail=detail)
