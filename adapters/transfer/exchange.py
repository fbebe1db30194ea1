"""One command in the pod with bytes going in and coming out at the same time."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable

from rpd.adapters.ssh.channel import Channel
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.ssh.timeouts import POLL_SECONDS
from rpd.engine.errors import Refused, Unavailable
from rpd.states.faults import Fault

_KEPT_OF_STDERR = 64 * 1024
_NO_SPACE = (b"No space left on device", b"Disk quota exceeded")


def exchange(
    connection: Connection,
    script: str,
    *,
    chunks: Iterable[bytes] = (),
    take: Callable[[bytes], object] | None = None,
    window: int | None = None,
    quiet_seconds: float = 600.0,
) -> tuple[int, bytes]:
    """Run a `sh` script with `chunks` on its stdin and its stdout handed to `take`; returns exit code and stderr.

    The chunks stop early when the script ends early. Raises what Channel raises, Unavailable (`timeout`) when nothing
    moves for `quiet_seconds`, and Refused (`disk_full`, `no_tool`) for what its stderr or exit code says.
    """
    channel = connection.channel("exec sh -c " + shlex.quote(script), window=window)
    try:
        traffic = _Traffic(channel, take or (lambda data: None), quiet_seconds)
        traffic.send(chunks)
        code = traffic.finish()
    finally:
        channel.close()
    if code == 127:
        raise Refused(f"a program is missing in the pod: {said(traffic.stderr)}", reason=Fault.NO_TOOL)
    return code, bytes(traffic.stderr)


def quote(path: str) -> str:
    """A remote path as a word of a shell script; `~/` at its beginning means the home folder there."""
    if path == "~" or path.startswith("~/"):
        return '"$HOME"' + shlex.quote(path[1:])
    return shlex.quote(path if path.startswith("/") else "./" + path)


def said(stderr: bytes | bytearray) -> str:
    """The last line of a command's complaint, for a message."""
    lines = bytes(stderr).decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


class _Traffic:
    """Both directions of one channel; whichever can move moves."""

    def __init__(self, channel: Channel, take: Callable[[bytes], object], quiet_seconds: float) -> None:
        self._channel = channel
        self._take = take
        self._quiet_seconds = quiet_seconds
        self._moved_at = time.monotonic()
        self.stderr = bytearray()

    def send(self, chunks: Iterable[bytes]) -> None:
        """All chunks, then the end of input, taking output as it comes."""
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                count = self._channel.send_some(rest, POLL_SECONDS)
                if count == 0:
                    return
                if count is not None:
                    rest, self._moved_at = rest[count:], time.monotonic()
                self._receive_ready()
                self._check_quiet()
        self._channel.send_eof()

    def finish(self) -> int:
        """Take output until the end; returns the exit code."""
        while (data := self._channel.recv(POLL_SECONDS)) != b"":
            if data:
                self._moved_at = time.monotonic()
                self._take(data)
            while complaint := self._channel.recv_stderr(0.0) or b"":
                self._complain(complaint)
            self._check_quiet()
        while (complaint := self._channel.recv_stderr(self._quiet_seconds) or b"") != b"":
            self._complain(complaint)
        code = self._channel.exit_status(self._quiet_seconds)
        if code is None:
            raise self._too_quiet()
        return code

    def _receive_ready(self) -> None:
        while self._channel.has_output():
            if data := self._channel.recv(0.0):
                self._moved_at = time.monotonic()
                self._take(data)
            if complaint := self._channel.recv_stderr(0.0):
                self._complain(complaint)

    def _complain(self, text: bytes) -> None:
        self._moved_at = time.monotonic()
        self.stderr += text
        if any(sign in self.stderr for sign in _NO_SPACE):
            # tar would go on and fail for every further file.
            raise Refused(f"no space left in the pod: {said(self.stderr)}", reason=Fault.DISK_FULL)
        del self.stderr[:-_KEPT_OF_STDERR]

    def _check_quiet(self) -> None:
        if time.monotonic() - self._moved_at > self._quiet_seconds:
            raise self._too_quiet()

    def _too_quiet(self) -> Unavailable:
        return Unavailable(f"the transfer did not move for {self._quiet_seconds:.0f} s", reason=Fault.TIMEOUT)
