"""The near end of the follower: it writes log bytes into the local file, until the job has ended and its last byte is
here."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from rpd.adapters.pod.answers import claim_of, clean, count, fields_of
from rpd.adapters.pod.local_log import LocalLog
from rpd.adapters.ssh.channel import Channel
from rpd.adapters.ssh.connection import Connection
from rpd.engine.errors import Interrupted, Refused, Unavailable
from rpd.journal.redact import Redactor
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Claim

BEAT_SECONDS = 10.0
"""How often the owner heartbeat is renewed while following."""

_POLL_SECONDS = 0.05
_DRAIN_SECONDS = 2.0
"""How long to wait for the rest of an ended job's log; another process may have cut the log."""
_BEGIN_SECONDS = 30.0
_MAX_LINE = 64 * 1024
_SAID_BYTES_MAX = 1024 * 1024
"""How much one follower may print beside the log. Thirty bytes for each beat are a quarter of it in a day."""
_RESTARTS_MAX = 5
"""How often one call may begin the copy anew. Otherwise a pod that always asks for it would fill this disk."""

Command = Callable[[int], str]
"""Makes the command that follows the remote log from an offset."""


def follow(
    connection: Connection,
    command: Command,
    log: LocalLog,
    *,
    seconds: float,
    to_size_only: bool,
    is_enough: Callable[[], bool] = lambda: False,
) -> Claim:
    """Follow until the job ended, `seconds` passed, the log is enough (`is_enough`) or a request asks to stop. With
    `to_size_only`, follow only until the log is as long as it was at the beginning. Returns the last claim.

    A remote log that is shorter than the local copy was replaced, so the copy starts again. Raises Unavailable
    (`link_lost`), Refused (`no_tool`, `taken_over`), and Interrupted if no claim was seen yet.
    """
    deadline = time.monotonic() + seconds
    for _ in range(_RESTARTS_MAX):
        channel = connection.channel(command(log.offset))
        attempt = _Attempt(channel, log, deadline, to_size_only, is_enough, connection.redactor)
        try:
            claim = attempt.run()
        except Interrupted:
            if attempt.claim is None:
                raise
            return attempt.claim
        finally:
            attempt.channel.close()
        if claim is not None:
            return claim
        log.restart()
    raise Unavailable("the log in the pod is replaced again and again", reason=Fault.UNREADABLE)


class _Attempt:
    """One channel of following. `claim` is the last claim, `end` that of an ended job."""

    def __init__(
        self,
        channel: Channel,
        log: LocalLog,
        deadline: float,
        to_size_only: bool,
        is_enough: Callable[[], bool],
        redactor: Redactor,
    ) -> None:
        self.channel = channel
        self.claim: Claim | None = None
        self._log = log
        self._offset = log.offset
        self._deadline = deadline
        self._to_size_only = to_size_only
        self._is_enough = is_enough
        self._redactor = redactor
        self._end: Claim | None = None
        self._goal = 0
        self._waits_for: str | None = None  # what the script waited for when following began
        self._backlog: int | None = None  # how long the log was when following began
        self._is_replaced = False
        self._has_output = True
        self._received = bytearray()
        self._searched = 0  # up to here it holds no end of a message
        self._left = _SAID_BYTES_MAX
        self._moved_at = time.monotonic()
        self._beat_at = 0.0

    def run(self) -> Claim | None:
        """The claim if there is no more to do. None if the remote log turned out to be another one."""
        while True:
            self._beat()
            self._listen()
            if self._is_replaced:
                return None
            if (last := self._finished()) is not None:
                return last
            self._copy()

    def _finished(self) -> Claim | None:
        """The claim to return if there is nothing more to wait for."""
        now = time.monotonic()
        is_idle = now - self._moved_at > _DRAIN_SECONDS
        if self._end is not None and (is_idle or self._is_drained(self._end.log_bytes)):
            return self._end
        if self.claim is None:
            if now >= self._deadline + _BEGIN_SECONDS:
                raise Unavailable("the follower in the pod did not begin", reason=Fault.TIMEOUT)
            return None
        if self._to_size_only:
            return self.claim if is_idle or self._is_drained(self._goal) else None
        has_news = self.claim.waits_for != self._waits_for
        return self.claim if now >= self._deadline or has_news or self._is_enough() else None

    def _is_drained(self, size: int) -> bool:
        return self._log.offset >= size or not self._has_output

    def _beat(self) -> None:
        """Tell the pod that the owner is alive, and how much of the log is here now."""
        now = time.monotonic()
        if now >= self._beat_at:
            self._beat_at = now + BEAT_SECONDS
            self.channel.send(f"{self._log.offset}\n".encode())

    def _copy(self) -> None:
        if not self._has_output:
            return
        data = self.channel.recv(_POLL_SECONDS)
        if data:
            self._log.append(data, is_backlog=self._backlog is None or self._log.offset < self._backlog)
            self._moved_at = time.monotonic()
        elif data == b"":
            self._has_output = False

    def _listen(self) -> None:
        """Read stderr. Wait for it only if the log has no more bytes."""
        data = self.channel.recv_stderr(0.0 if self._has_output else _POLL_SECONDS)
        if data == b"" and not self._has_output and self._end is None:
            raise Unavailable("the follower in the pod ended early", reason=Fault.LINK_LOST)
        self._left -= len(data or b"")
        if self._left < 0:
            raise Unavailable("the follower in the pod sends too much output", reason=Fault.UNREADABLE)
        self._received += data or b""
        while (cut := self._end_of_message()) is not None:
            message = self._redactor.mask_bytes(bytes(self._received[:cut])).decode("utf-8", "replace")
            del self._received[: cut + 1]
            self._searched = 0
            self._take(message)
        self._searched -= max(0, len(self._received) - _MAX_LINE)
        del self._received[:-_MAX_LINE]

    def _end_of_message(self) -> int | None:
        """The end of the first message: the newline after `#start`, `#end`, `#size`, `#missing` or `#taken`. None if it
        is not there yet. Values before it cannot look like it, because each of their lines holds a `=`."""
        at = max(0, self._searched)
        while (end := self._received.find(b"\n", at)) >= 0:
            line = bytes(self._received[at:end])
            if line in (b"#start", b"#end") or (b"=" not in line and line.endswith((b"#size", b"#missing", b"#taken"))):
                return end
            at = self._searched = end + 1
        return None

    def _take(self, message: str) -> None:
        body, _, kind = message.rpartition("#")
        if kind == "missing":
            raise Refused(clean(body), reason=Fault.NO_TOOL)
        if kind == "taken":
            raise Refused(clean(body), reason=Fault.TAKEN_OVER)
        try:
            if kind == "size":
                self._take_size(body.rpartition("\n")[2])
                return
            claim = claim_of(fields_of(body))
        except (ValueError, KeyError) as error:
            raise Unavailable(f"the pod's answer is not valid: {error}", reason=Fault.UNREADABLE) from error
        self.claim, self._goal, self._moved_at = claim, claim.log_bytes, time.monotonic()
        if self._backlog is None or self._waits_for is None:
            self._backlog, self._waits_for = claim.log_bytes, claim.waits_for
        if kind == "end":
            self._end = claim
        elif claim.log_bytes < self._offset and claim.phase in ("running", "ended", "lost"):
            self._is_replaced = True

    def _take_size(self, words: str) -> None:
        """`SAID SIZE`: how many bytes of the log we had reported to be here, and how long the log was then. Raises
        ValueError."""
        announced, size = map(count, words.split())
        self._is_replaced = size < announced
        if self.claim is not None:
            self.claim = msgspec.structs.replace(self.claim, log_bytes=size)
