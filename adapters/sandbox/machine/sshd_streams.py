"""The streams of one SSH session: their descriptors, and the asyncio protocols that carry them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from typing import NamedTuple, Protocol, cast

_PIPE_BYTES = 1 << 18


class Streams(Protocol):
    """What the protocols report to: the session."""

    def send_output(self, number: int, data: bytes) -> None:
        """Bytes of standard output (1) or standard error (2)."""
        ...

    def end_output(self, number: int) -> None:
        """One of the outputs is closed."""
        ...

    def end_process(self, status: int) -> None:
        """The process ended; negative numbers are signals."""
        ...

    def hold_input(self) -> None:
        """The process does not read as fast as the client sends."""
        ...

    def take_input(self) -> None:
        """The process has caught up."""
        ...

    def lose_input(self) -> None:
        """The process reads no more."""
        ...


class Ends(NamedTuple):
    """Descriptors: the process's own three, and ours."""

    inner: tuple[int, int, int]
    outputs: dict[int, int]
    input: int

    def close_inner(self) -> None:
        """Close what the process has by now."""
        for fd in set(self.inner):
            os.close(fd)

    def close_outer(self) -> None:
        """Close what nobody will carry."""
        for fd in (*self.outputs.values(), self.input):
            os.close(fd)


def pipe_ends() -> Ends:
    """Pipes, not sockets: `/dev/stdin` can be opened, and bash does not take itself for rshd's."""
    (stdin, feed), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
    for end in (feed, out):
        # Fewer wake-ups per megabyte; a user may have used up the allowance for large pipes.
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return Ends((stdin, stdout, stderr), {1: out, 2: err}, feed)


def set_size(terminal: int, size: tuple[int, int, int, int]) -> None:
    """Tell a terminal its columns, rows and pixels."""
    width, height, pixel_width, pixel_height = size
    with contextlib.suppress(OSError):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, pixel_width, pixel_height))


class ProcessEvents(asyncio.SubprocessProtocol):
    """The end of the process."""

    def __init__(self, session: Streams) -> None:
        self._session = session
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def process_exited(self) -> None:
        assert self._transport is not None
        status = self._transport.get_returncode()
        self._transport.close()
        self._session.end_process(0 if status is None else status)


class OutputEvents(asyncio.Protocol):
    """One output of the process."""

    def __init__(self, session: Streams, number: int) -> None:
        self._session = session
        self._number = number

    def data_received(self, data: bytes) -> None:
        self._session.send_output(self._number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.end_output(self._number)


class InputEvents(asyncio.BaseProtocol):
    """The input of the process."""

    def __init__(self, session: Streams) -> None:
        self._session = session

    def pause_writing(self) -> None:
        self._session.hold_input()

    def resume_writing(self) -> None:
        self._session.take_input()

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.lose_input()
