"""An authenticated SSH connection to one pod, with its host key pinned."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import paramiko

from rpd.adapters.report.words import clean
from rpd.adapters.ssh.breakage import LINK_BROKE
from rpd.adapters.ssh.channel import Channel
from rpd.adapters.ssh.login import log_in
from rpd.adapters.ssh.login_shell import command_line
from rpd.adapters.ssh.pulse import Pulse
from rpd.adapters.ssh.timeouts import POLL_SECONDS, Timeouts
from rpd.adapters.ssh.wire import Wire, dial
from rpd.engine.errors import Interrupted, Refused, Unavailable
from rpd.journal.records import Stamp
from rpd.journal.redact import Redactor
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import SshAddress

PULL_WINDOW = 6 * 1024 * 1024
"""Bytes in flight towards us. 2 MB carry 22 MB/s over an 80 ms link, this value three times that. OpenSSH's server
slows down with the amount that it may hold ready: on a fast link 16 MB took three times as long as 6."""
FOLLOW_WINDOW = 2 * 1024 * 1024

SIBLINGS_MAX = 4
"""How many additional connections a pod gets if its sshd allows few sessions on each."""

_PROHIBITED = 1  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
_SAID_CHARACTERS = 200
_JUMP_SECONDS = 5.0
_JOIN_SECONDS = 2.0
_FREE_SECONDS = 5.0
"""How long a session that ends may take to make room for the next."""


class Completed(msgspec.Struct, frozen=True):
    """A command that ended. `is_cut` is true if it printed more than was kept."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    is_cut: bool = False


class Connection:
    """One connection with many channels, one after the other or side by side. Owned by one thread. `redactor` is for
    every text of the pod that may be shown or written: it masks before anything is cut.

    If sshd allows fewer sessions on a connection than are wanted (its MaxSessions), more connections to the same host
    key carry the rest. They live as long as this connection.
    """

    def __init__(
        self,
        transport: paramiko.Transport,
        wire: Wire,
        *,
        host_key: str,
        timeouts: Timeouts,
        interrupted: Callable[[], bool],
        since: tuple[float, float],
    ) -> None:
        self.host_key = host_key
        self.redactor = Redactor()
        self._transport = transport
        self._wire = wire
        self._timeouts = timeouts
        self._interrupted = interrupted
        self._reading = since
        self._last: Stamp | None = None
        self._pulse = Pulse(transport, wire, timeouts)
        self._another: Callable[[], Connection] | None = None
        self._siblings: list[Connection] = []
        self._opening = threading.Lock()

    @classmethod
    def open(
        cls,
        address: SshAddress,
        *,
        key_path: Path | None,
        host_key: str | None,
        alias: str,
        timeouts: Timeouts | None = None,
        interrupted: Callable[[], bool] = lambda: False,
        now: Stamp | None = None,
    ) -> Connection:
        """Connect and log in.

        `host_key` is the pinned fingerprint ("SHA256:..."); None accepts any and reports it as `.host_key`. `alias`
        names the pod in messages. `key_path` None asks the agent. `now` is the first reading for `is_usable`.

        Raises Unavailable (`ssh_unreachable`), Refused (`host_key_changed`, `auth_refused`) or Interrupted.
        """
        since = (time.time() if now is None else now.wall, time.monotonic())
        limits = timeouts or Timeouts()
        wire = dial(address, limits.connect, limits.silence, interrupted)
        try:
            transport, fingerprint = log_in(
                wire, address, key_path=key_path, pin=host_key, alias=alias, timeouts=limits, interrupted=interrupted
            )
        except BaseException:
            wire.close()
            raise

        def another() -> Connection:
            return cls.open(
                address,
                key_path=key_path,
                host_key=fingerprint,
                alias=alias,
                timeouts=limits,
                interrupted=interrupted,
            )

        made = cls(transport, wire, host_key=fingerprint, timeouts=limits, interrupted=interrupted, since=since)
        made._another = another
        return made

    def run(
        self,
        script: str,
        *,
        timeout_seconds: float,
        max_bytes: int = 1024 * 1024,
    ) -> Completed:
        """Run a `sh` script in the pod and wait for its end.

        The script travels on stdin (argument lists are public and short) and is parsed as a whole before its first
        command runs, each with an empty stdin. The first `max_bytes` of stdout and of stderr are kept. Raises
        Unavailable: `timeout` if it takes longer than `timeout_seconds` (it is not killed), `link_lost`, `barred` if
        something else was run in its place; `detail["sent"]` says whether the script may have started. Raises
        Interrupted within a tenth of a second after a request.
        """
        deadline = time.monotonic() + timeout_seconds
        channel = self.channel("exec sh")
        try:
            if channel.send(b"{ :\n" + script.encode("utf-8", "surrogateescape") + b"\n} </dev/null; exit\n"):
                channel.send_eof()
            done = collect(channel, deadline, max_bytes)
            if (instead := channel.in_its_place()) is not None:
                raise self._another_command(instead, done.exit_code)
            return done
        finally:
            channel.close()

    def channel(self, script: str, *, window: int | None = None) -> Channel:
        """Start a `sh` script in the pod as a stream. `window`: bytes that may be in flight towards us (None: 2 MB).

        The login shell may be any, and may print before it starts the script (bash reads `.bashrc` for sshd). So a
        boundary goes ahead of the script's own output, and nothing before it is passed on.

        Raises Unavailable (`link_lost`, `detail["sent"]` False if the command provably did not start; `no_session` if
        sshd allows none, on this connection or another).
        """
        deadline = time.monotonic() + _FREE_SECONDS
        while True:
            why = "it has refused a session on each of several connections"
            for each in (self, *self._siblings):
                try:
                    return each._start(script, window)
                except Unavailable as error:
                    if error.detail["sent"] or (each is self and error.reason != Fault.NO_SESSION):
                        raise
            self._siblings = [each for each in self._siblings if each._transport.is_active()]
            if self._another is not None and len(self._siblings) < SIBLINGS_MAX:
                try:
                    self._siblings.append(self._another())
                    return self._siblings[-1]._start(script, window)
                except (Unavailable, Refused) as error:
                    if error.detail.get("sent") or error.reason == Fault.NO_SESSION:  # no other session was open there
                        raise
                    why = error.message
            if self._interrupted():
                raise Interrupted("interrupted while waiting for a session", reason=Fault.INTERRUPTED)
            if time.monotonic() > deadline:
                text = f"sshd allows too few sessions on one connection (MaxSessions), and there is no other: {why}"
                raise Unavailable(text, reason=Fault.NO_SESSION, detail={"sent": False})
            time.sleep(POLL_SECONDS)

    def _another_command(self, output: bytes, exit_code: int) -> Unavailable:
        masked = self.redactor.mask_bytes(output, is_cut=True).decode("utf-8", "replace")
        words = clean(masked)[-_SAID_CHARACTERS:].strip()
        text = (
            "the login works, but the pod's sshd does not run rpd's commands: a ForceCommand, a login shell such as "
            f"/bin/false, or what that shell reads first ended with code {exit_code}"
        )
        said_so = f"{text}: {words}" if words else text
        return Unavailable(said_so, reason=Fault.BARRED, retryable=False, detail={"sent": True})

    def _start(self, script: str, window: int | None) -> Channel:
        """`channel` on this connection alone."""
        boundary = f"<{secrets.token_hex(8)}>"
        line = command_line(f"printf %s '{boundary}'; printf %s '{boundary}' >&2; {script}")
        return self._session(lambda raw: raw.exec_command(line.encode()), window, boundary)

    def terminal(self, term: str, columns: int, rows: int, script: str | None = None) -> Channel:
        """Start a `sh` script, or the login shell, on a terminal in the pod. All its output is on stdout. Raises as
        `channel`, on this connection alone."""

        def start(raw: paramiko.Channel) -> None:
            raw.get_pty(term, columns, rows)
            if script is None:
                raw.invoke_shell()
            else:
                raw.exec_command(command_line(script).encode())

        return self._session(start, None, "")

    def _session(self, start: Callable[[paramiko.Channel], None], window: int | None, boundary: str) -> Channel:
        sent = False
        try:
            with self._pulse.limit(self._timeouts.channel + 1.0):
                raw = self._transport.open_session(window or FOLLOW_WINDOW, timeout=self._timeouts.channel)
            sent = True
            with self._pulse.limit(self._timeouts.channel + 1.0, wake=raw.event.set):
                start(raw)
        except paramiko.ChannelException as error:  # an answer: the connection still works
            text = f"sshd allows no session on a new connection (MaxSessions): {error.text}"
            raise Unavailable(text, reason=Fault.NO_SESSION, detail={"sent": False}) from error
        except LINK_BROKE as error:
            # A late answer to a channel that was given up confuses the transport, so it cannot be used further.
            self.close()
            why = self._pulse.verdict or str(error) or "the other side closed it"
            raise Unavailable(f"the SSH link was lost: {why}", reason=Fault.LINK_LOST, detail={"sent": sent}) from error
        return Channel(
            raw,
            boundary.encode(),
            stall_seconds=self._timeouts.stall,
            interrupted=self._interrupted,
            why_lost=lambda: self._pulse.verdict,
        )

    def to_port(self, port: int) -> paramiko.Channel:
        """A stream to a port of the pod's loopback, as `ssh -L` has it. Unlike all else here, any thread may call it.

        Raises Unavailable (`no_listener`: nothing listens there; `link_lost`) or Refused (`barred`: sshd forwards no
        ports).
        """
        try:
            with self._opening:  # paramiko keeps one refusal, whoever asked
                return self._transport.open_channel(
                    "direct-tcpip", ("localhost", port), ("127.0.0.1", 0), FOLLOW_WINDOW, timeout=self._timeouts.channel
                )
        except paramiko.ChannelException as error:
            if error.code == _PROHIBITED:
                text = "the pod's sshd forwards no ports (AllowTcpForwarding)"
                raise Refused(text, reason=Fault.BARRED, hint="use an image whose sshd forwards ports") from error
            text = f"nothing listens on port {port} of the pod yet ({error.text})"
            raise Unavailable(text, reason=Fault.NO_LISTENER) from error
        except LINK_BROKE as error:
            if self._transport.is_active():
                text = f"port {port} of the pod does not accept a connection"
                raise Unavailable(text, reason=Fault.NO_LISTENER) from error
            why = self._pulse.verdict or str(error) or "the other side closed it"
            raise Unavailable(f"the SSH link was lost: {why}", reason=Fault.LINK_LOST) from error

    def is_usable(self, now: Stamp) -> bool:
        """Whether a call may be tried on it. False once the link is down, or if the clocks jumped since the last look
        (this machine slept, or its clock was set): then the peer is gone in a way that only a long wait would show."""
        wall, monotonic = self._reading
        last, self._last = self._last, now
        self._reading = (now.wall, time.monotonic())
        awake = self._reading[1] - monotonic
        if abs(now.wall - wall - awake) > _JUMP_SECONDS:
            return False
        if last is not None and (last.boot != now.boot or now.up - last.up - awake > _JUMP_SECONDS):
            return False
        return self._transport.is_active()

    def close(self) -> None:
        """Drop the connection without asking the peer. Never blocks for long, never raises, may be repeated."""
        while self._siblings:
            self._siblings.pop().close()
        self._wire.hang_up()
        self._transport.close()
        self._pulse.stop()
        self._transport.join(_JOIN_SECONDS)


def collect(channel: Channel, deadline: float, max_bytes: int) -> Completed:
    """Read a command's output until it ends. `deadline` is on `time.monotonic`.

    Raises as `Channel` does, and Unavailable (`timeout`) past the deadline.
    """
    stdout, stderr = bytearray(), bytearray()
    is_cut, stdout_open, stderr_open = False, True, True
    while stdout_open or stderr_open:
        if stdout_open:
            data = channel.recv(POLL_SECONDS)
            stdout_open = data != b""
            is_cut = _keep(stdout, data, max_bytes) or is_cut
        while stderr_open:
            # Wait for stderr only if nothing else is awaited: its text must not delay the answer.
            data = channel.recv_stderr(0.0 if stdout_open else POLL_SECONDS)
            stderr_open = data != b""
            is_cut = _keep(stderr, data, max_bytes) or is_cut
            if not data or time.monotonic() > deadline:
                break
        if time.monotonic() > deadline:
            raise _too_long()
    exit_code = channel.exit_status(max(POLL_SECONDS, deadline - time.monotonic()))
    if exit_code is None:
        raise _too_long()
    return Completed(exit_code, bytes(stdout), bytes(stderr), is_cut)


def _keep(kept: bytearray, data: bytes | None, max_bytes: int) -> bool:
    """Append what fits. True if something did not fit."""
    room = max_bytes - len(kept)
    kept += (data or b"")[:room]
    return len(data or b"") > room


def _too_long() -> Unavailable:
    return Unavailable("the command in the pod took too long", reason=Fault.TIMEOUT, detail={"sent": True})
