"""A connection to a pod that says what it is told to, in pieces of any size and without end if need be."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator

from rpd.adapters.ssh.connection import Completed, collect
from rpd.engine.errors import Interrupted
from rpd.journal.redact import Redactor
from rpd.states.ports.world import SshAddress
from tests.memory import MEGABYTE


class Said:
    """What one command prints, and its exit code."""

    def __init__(self, stdout: Iterable[bytes] = (), stderr: Iterable[bytes] = (), code: int = 0) -> None:
        self.stdout, self.stderr, self.code = stdout, stderr, code


class SayingChannel:
    """A running command. It reads all it is sent. `taken` is how much of its output was read."""

    def __init__(self, link: Link, said: Said) -> None:
        self._link = link
        self._streams = [iter(said.stdout), iter(said.stderr)]
        self._code = said.code
        self.taken = 0

    def send(self, data: bytes) -> bool:
        self._link.check()
        return True

    def send_some(self, data: memoryview, timeout: float) -> int | None:
        self._link.check()
        return len(data)

    def send_eof(self) -> None:
        """Nothing waits for it."""

    def recv(self, timeout: float) -> bytes | None:
        return self._next(0)

    def recv_stderr(self, timeout: float) -> bytes | None:
        return self._next(1)

    def has_output(self) -> bool:
        for at, stream in enumerate(self._streams):
            first = next(stream, None)
            if first is not None:
                self._streams[at] = itertools.chain((first,), stream)
                return True
        return False

    def exit_status(self, timeout: float) -> int | None:
        self._link.check()
        return self._code

    def close(self) -> None:
        self._streams = [iter(()), iter(())]

    def _next(self, which: int) -> bytes:
        self._link.check()
        data = next(self._streams[which], b"")
        self.taken += len(data)
        return data


class Link:
    """Commands get the answers in order; `commands` are those that came. `interrupted` is asked before every piece, as
    a connection does. It is its own pool."""

    host_key = "SHA256:said"

    def __init__(self, *answers: Said, interrupted: Callable[[], bool] = lambda: False) -> None:
        self._answers: Iterator[Said] = iter(answers)
        self._interrupted = interrupted
        self.commands: list[str] = []
        self.channels: list[SayingChannel] = []
        self.redactor = Redactor()

    def check(self) -> None:
        if self._interrupted():
            raise Interrupted("asked", reason="interrupted")

    def channel(self, command: str, *, window: int | None = None) -> SayingChannel:
        self.commands.append(command)
        self.channels.append(SayingChannel(self, self.next_answer()))
        return self.channels[-1]

    def next_answer(self) -> Said:
        return next(self._answers, Said())

    def run(self, script: str, *, timeout_seconds: float, max_bytes: int = MEGABYTE) -> Completed:
        channel = self.channel(script)
        return collect(channel, time.monotonic() + timeout_seconds, max_bytes)  # type: ignore[arg-type]

    def connection(self, pod_id: str, *, host_key: str | None, deadline_seconds: float) -> Link:
        return self

    def connect(self, pod_id: str, address: SshAddress, *, host_key: str | None) -> Link:
        return self

    def close(self) -> None:
        """Nothing is kept open."""


def endless(piece: bytes) -> Iterator[bytes]:
    """The same again and again, about a megabyte at once."""
    return itertools.repeat(piece * max(1, MEGABYTE // len(piece)))


def megabytes(piece: bytes, count: int) -> Iterator[bytes]:
    """So many megabytes of it."""
    return itertools.islice(endless(piece), count)
