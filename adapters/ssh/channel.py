"""One command in the pod as two streams in and one out, with a deadline on every wait."""

from __future__ import annotations

import time
from collections.abc import Callable

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from rpd.adapters.ssh.breakage import LINK_BROKE
from rpd.adapters.ssh.timeouts import POLL_SECONDS
from rpd.engine.errors import Interrupted, Unavailable
from rpd.states.ports.faults import Fault

# Read everything that waits, at most a window: at every read, paramiko moves the bytes in memory that it leaves behind.
_EVERYTHING = 1 << 30
_BEFORE_BYTES = 400
_PACKET = 32 * 1024  # fits into one packet; a longer slice would be copied for nothing


class _Stream:
    """One stream of the command, from the beginning of its own output."""

    def __init__(self, read: Callable[[int], bytes], is_ready: Callable[[], bool], boundary: bytes) -> None:
        self._read = read
        self._is_ready = is_ready
        self._boundary = boundary
        self.is_begun = not boundary
        self._tail = b""
        self._kept = b""
        self.before = b""  # the end of the text before the boundary

    def read(self) -> bytes | None:
        """Bytes, b"" at the end, None if there was only text before the boundary. Raises as paramiko does."""
        if self._kept:
            data, self._kept = self._kept, b""
            return data
        data = self._read(_EVERYTHING)
        if self.is_begun or not data:
            return data
        before, found, rest = (self._tail + data).partition(self._boundary)
        self.before = (self.before + data)[-_BEFORE_BYTES:]
        self.is_begun = bool(found)
        self._tail = before[1 - len(self._boundary) :]
        return rest or None

    def is_ready(self) -> bool:
        """Whether `read` would return bytes at once."""
        if not self.is_begun and self._is_ready():
            self._kept = self.read() or b""
        return bool(self._kept) or (self.is_begun and self._is_ready())


class Channel:
    """A running command. The text before `boundary` in its output is not its own (none: all is). Not for several
    threads at once.

    Every method raises Unavailable (`link_lost`) if the connection is gone, and Interrupted if a request asks to stop.
    Neither ends the command in the pod.
    """

    def __init__(
        self,
        raw: paramiko.Channel,
        boundary: bytes,
        *,
        stall_seconds: float,
        interrupted: Callable[[], bool],
        why_lost: Callable[[], str],
    ) -> None:
        self._raw = raw
        self._stdout = _Stream(raw.recv, raw.recv_ready, boundary)
        self._stderr = _Stream(raw.recv_stderr, raw.recv_stderr_ready, boundary)
        self.stall_seconds = stall_seconds
        self._interrupted = interrupted
        self._why_lost = why_lost

    def send(self, data: bytes | memoryview) -> bool:
        """Write all of `data` to the command's stdin. False if the command has ended and reads no more.

        Raises Unavailable (`timeout`) if the command reads nothing for the connection's `stall` seconds.
        """
        rest = memoryview(data)
        moved_at = time.monotonic()
        while rest:
            count = self.send_some(rest, POLL_SECONDS)
            if count == 0:
                return False
            if count is not None:
                rest, moved_at = rest[count:], time.monotonic()
            elif time.monotonic() - moved_at > self.stall_seconds:
                raise self.stalled()
        return True

    def send_some(self, data: memoryview, timeout: float) -> int | None:
        """Write the beginning of `data`. Returns how many bytes.

        None if no byte could be sent within `timeout` seconds (at most a tenth of one), 0 if the command has ended and
        reads no more.
        """
        self._check()
        self._raw.settimeout(min(timeout, POLL_SECONDS))
        try:
            count = self._raw.send(bytes(data[:_PACKET]))
        except TimeoutError:
            return None
        except LINK_BROKE:
            count = 0
        if count == 0:
            self._ended()
        return count

    def stalled(self) -> Unavailable:
        """The error for a command that reads no more although it lives."""
        return Unavailable(f"the command in the pod took no input for {self.stall_seconds:.0f} s", reason=Fault.TIMEOUT)

    def send_eof(self) -> None:
        """Say that no more input follows."""
        try:
            self._raw.shutdown_write()
        except LINK_BROKE:
            self._ended()

    def recv(self, timeout: float) -> bytes | None:
        """Some bytes of stdout. None if `timeout` seconds passed without any, b"" at its end."""
        return self._receive(self._stdout, timeout)

    def recv_stderr(self, timeout: float) -> bytes | None:
        """Some bytes of stderr. None if `timeout` seconds passed without any, b"" at its end."""
        return self._receive(self._stderr, timeout)

    def has_output(self) -> bool:
        """Whether `recv` or `recv_stderr` would return bytes at once."""
        return self._stdout.is_ready() or self._stderr.is_ready()

    def fileno(self) -> int:
        """A descriptor that is readable while output waits, and after the end."""
        return self._raw.fileno()

    def signal(self, name: str) -> None:
        """Send a signal (`TERM`) to the command. A server may ignore it. Raises Unavailable (`link_lost`)."""
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(self._raw.remote_chanid)
        message.add_string("signal")
        message.add_boolean(False)
        message.add_string(name)
        try:
            self._raw.get_transport()._send_user_message(message)  # type: ignore[attr-defined]
        except LINK_BROKE as error:
            raise self._lost("it broke off while sending a signal") from error

    def resize(self, columns: int, rows: int) -> None:
        """Tell the command's terminal its size. Raises Unavailable (`link_lost`)."""
        try:
            self._raw.resize_pty(columns, rows)
        except LINK_BROKE:
            self._ended()

    @property
    def is_killed(self) -> bool:
        """Whether the command is over without an exit code, over a link that lives: a signal has ended it."""
        return self._raw.closed and self._raw.exit_status < 0 and self._raw.get_transport().is_active()

    def exit_status(self, timeout: float) -> int | None:
        """The command's exit code. None if it did not end within `timeout` seconds.

        If a server closes without a code (it went away, or a signal killed the command), the link counts as lost.
        """
        deadline = time.monotonic() + timeout
        while not self._raw.status_event.wait(min(POLL_SECONDS, max(0.0, deadline - time.monotonic()))):
            self._check()
            if time.monotonic() >= deadline:
                return None
        if self._raw.exit_status < 0:
            raise self._lost("the command ended without an exit code")
        return self._raw.exit_status

    def in_its_place(self) -> bytes | None:
        """The end of the text that came in place of the command's output, once all has come. None if the boundary
        came."""
        return None if self._stdout.is_begun else self._stdout.before + self._stderr.before

    def close(self) -> None:
        """Drop the channel. The command sees its streams close. Never raises."""
        try:
            self._raw.close()
        except LINK_BROKE:
            return

    def _receive(self, stream: _Stream, timeout: float) -> bytes | None:
        deadline = time.monotonic() + timeout
        while True:
            self._check()
            left = deadline - time.monotonic()
            self._raw.settimeout(max(0.0, min(POLL_SECONDS, left)))
            try:
                data = stream.read()
            except TimeoutError:
                if left <= POLL_SECONDS and time.monotonic() >= deadline:
                    return None
                continue
            except LINK_BROKE as error:
                # reading also sends: it opens the window again, over a link that may be gone
                raise self._lost("it broke off while reading") from error
            if data == b"":
                self._ended()
            if data is not None or time.monotonic() > deadline:
                return data

    def _ended(self) -> bool:
        """False if the command's own end explains a closed stream. Otherwise raises the error of a lost link."""
        transport = self._raw.get_transport()
        if not (self._raw.eof_received or self._raw.exit_status >= 0 or transport.is_active()):
            raise self._lost("the stream broke off")
        return False

    def _check(self) -> None:
        if self._interrupted():
            raise Interrupted("interrupted while talking to the pod", reason=Fault.INTERRUPTED)

    def _lost(self, what: str) -> Unavailable:
        why = self._why_lost()
        return Unavailable(
            f"the SSH link was lost: {what}" + (f" ({why})" if why else ""),
            reason=Fault.LINK_LOST,
            detail={"sent": True},
        )
