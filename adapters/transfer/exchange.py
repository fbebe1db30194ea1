"""One command in the pod, with bytes going in and coming out at the same time."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable

from rpd.adapters.report.words import clean
from rpd.adapters.ssh.channel import Channel
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.ssh.timeouts import POLL_SECONDS
from rpd.engine.errors import Refused, Unavailable
from rpd.journal.redact import Redactor
from rpd.states.ports.faults import Fault

OUTPUT_BYTES_MAX = 1024 * 1024
"""The most output of a command from which no output is expected."""
STDERR_BYTES_MAX = 64 * 1024 * 1024
"""One error line for each of half a million files."""
MOST_SECONDS = 3600.0
"""How long a command that moves few bytes may take: on a slow volume, with a million files."""

_KEPT_OF_STDERR = 64 * 1024
_NO_SPACE = (b"No space left on device", b"Disk quota exceeded")
_NO_CAUSE = ("due to previous errors", "Error exit delayed from previous errors.")
"""How GNU tar and bsdtar end."""
_SLOWEST_BYTES_PER_SECOND = 20_000.0
_SLOWEST_FILE_SECONDS = 0.05
_LONGEST_SECONDS = 7 * 24 * 3600.0


def seconds_for(size: int, files: int, bytes_per_second: float = _SLOWEST_BYTES_PER_SECOND) -> float:
    """The most time that so many bytes in so many files may take. A slower link or volume counts as broken. A transfer
    without an end must not be waited for, even if some bytes still come."""
    return min(MOST_SECONDS + size / bytes_per_second + files * _SLOWEST_FILE_SECONDS, _LONGEST_SECONDS)


def exchange(
    connection: Connection,
    script: str,
    *,
    chunks: Iterable[bytes] = (),
    take: Callable[[bytes], object] | None = None,
    window: int | None = None,
    quiet_seconds: float = 600.0,
    most_bytes: int = OUTPUT_BYTES_MAX,
    most_seconds: float = MOST_SECONDS,
) -> tuple[int, bytes]:
    """Run a `sh` script with `chunks` on its stdin and its stdout handed to `take`. Returns exit code and stderr.

    The chunks stop early if the script ends early. Raises the errors of Channel, Unavailable (`timeout`) if nothing
    moves for `quiet_seconds` or the end does not come within `most_seconds`, Unavailable (`unreadable`) if more than
    `most_bytes` come, and Refused (`disk_full`, `no_tool`) by its stderr or exit code.
    """
    channel = connection.channel(script, window=window)
    try:
        traffic = _Traffic(
            channel, take or (lambda data: None), quiet_seconds, most_bytes, most_seconds, connection.redactor
        )
        traffic.send(chunks)
        code = traffic.finish()
    finally:
        channel.close()
    if code == 127:
        raise Refused(f"a program is missing in the pod: {complaint_of(traffic.complaint)}", reason=Fault.NO_TOOL)
    return code, traffic.complaint


def quote(path: str) -> str:
    """A remote path as a word of a shell script. `~/` at its beginning means the home folder there."""
    if path == "~" or path.startswith("~/"):
        return '"$HOME"' + shlex.quote(path[1:])
    return shlex.quote(path if path.startswith("/") else "./" + path)


def complaint_of(stderr: bytes) -> str:
    """The last line of a command's error output that names a cause, for a message. After the causes, tar adds a line
    that names none."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    causes = [line for line in lines if not line.endswith(_NO_CAUSE)] or lines
    return clean(causes[-1])[:300] if causes else "it said nothing"


class _Traffic:
    """Both directions of one channel. Each moves as soon as it can."""

    def __init__(
        self,
        channel: Channel,
        take: Callable[[bytes], object],
        quiet_seconds: float,
        most_bytes: int,
        most_seconds: float,
        redactor: Redactor,
    ) -> None:
        self._channel = channel
        self._take = take
        self._quiet_seconds = quiet_seconds
        self._most_seconds = most_seconds
        self._left = most_bytes
        self._complaints_left = STDERR_BYTES_MAX
        self._began_at = self._moved_at = time.monotonic()
        self._redactor = redactor
        self._stderr = bytearray()
        self._is_cut = False

    @property
    def complaint(self) -> bytes:
        """The text on stderr, without secrets. Of a long text only the end."""
        return self._redactor.mask_bytes(bytes(self._stderr), is_cut=self._is_cut)

    def send(self, chunks: Iterable[bytes]) -> None:
        """Send all chunks, then the end of input, and take output as it comes."""
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                count = self._channel.send_some(rest, POLL_SECONDS)
                if count == 0:
                    return
                if count is not None:
                    rest, self._moved_at = rest[count:], time.monotonic()
                if self._channel.has_output():
                    self._receive(0.0)
                    self._complain(0.0)
                self._check_time()
        self._channel.send_eof()

    def finish(self) -> int:
        """Take output until the end. Returns the exit code."""
        is_open = [True, True]
        while any(is_open):
            if is_open[0]:
                is_open[0] = self._receive(POLL_SECONDS)
            if is_open[1]:
                # Wait for stderr only if nothing else is awaited: the output must not be delayed.
                is_open[1] = self._complain(0.0 if is_open[0] else POLL_SECONDS)
            self._check_time()
        code = self._channel.exit_status(self._quiet_seconds)
        if code is None:
            raise self._too_quiet()
        return code

    def _receive(self, seconds: float) -> bool:
        """Take bytes from stdout. False at its end."""
        data = self._channel.recv(seconds)
        if data:
            self._moved_at = time.monotonic()
            self._left -= len(data)
            if self._left < 0:
                raise self._too_much()
            self._take(data)
        return data != b""

    def _complain(self, seconds: float) -> bool:
        """Take bytes from stderr. False at its end."""
        text = self._channel.recv_stderr(seconds)
        if not text:
            return text is None
        self._moved_at = time.monotonic()
        self._complaints_left -= len(text)
        if self._complaints_left < 0:
            raise self._too_much()
        self._stderr += text
        if any(sign in self._stderr for sign in _NO_SPACE):
            # tar would go on and fail for every further file.
            raise Refused(f"no space left in the pod: {complaint_of(self.complaint)}", reason=Fault.DISK_FULL)
        self._is_cut = self._is_cut or len(self._stderr) > _KEPT_OF_STDERR
        del self._stderr[:-_KEPT_OF_STDERR]
        return True

    def _check_time(self) -> None:
        now = time.monotonic()
        if now - self._moved_at > self._quiet_seconds:
            raise self._too_quiet()
        if now - self._began_at > self._most_seconds:
            raise Unavailable(f"the transfer did not end within {self._most_seconds:.0f} s", reason=Fault.TIMEOUT)

    def _too_quiet(self) -> Unavailable:
        return Unavailable(f"the transfer did not move for {self._quiet_seconds:.0f} s", reason=Fault.TIMEOUT)

    def _too_much(self) -> Unavailable:
        return Unavailable("the pod sent far more than it was asked for", reason=Fault.UNREADABLE)
