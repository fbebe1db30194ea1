"""Whether the peer of a connection is alive.

paramiko's keepalive asks for no answer, so a peer that stopped stays "active" for ever and a blocked send or receive
never returns. The pulse asks for an answer and closes the transport if nothing at all moves for too long. Every call
blocked on that transport then returns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paramiko
from paramiko.common import cMSG_GLOBAL_REQUEST

from rpd.adapters.ssh.breakage import LINK_BROKE
from rpd.adapters.ssh.timeouts import Timeouts
from rpd.adapters.ssh.wire import Wire

_OVERRUN_BYTES = 1024 * 1024


class Pulse:
    """A thread that watches one transport. `verdict` says why it was closed, or is empty."""

    def __init__(self, transport: paramiko.Transport, wire: Wire, timeouts: Timeouts) -> None:
        self._transport = transport
        self._wire = wire
        self._timeouts = timeouts
        self._limit_at: float | None = None
        self._wake: Callable[[], None] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="rpd-ssh-pulse", daemon=True)
        self.verdict = ""
        self._thread.start()

    @contextmanager
    def limit(self, seconds: float, wake: Callable[[], None] | None = None) -> Iterator[None]:
        """Close the transport if the body takes longer. This is for calls of paramiko that take no timeout.

        `wake` is called while the transport is down: a channel's `exec_command` clears the event for which it then
        waits without end, and a transport that died just before has set it already.
        """
        self._limit_at, self._wake = time.monotonic() + seconds, wake
        try:
            yield
        finally:
            self._limit_at = self._wake = None

    def stop(self) -> None:
        """End the watch and join its thread. The transport must be closed already."""
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _watch(self) -> None:
        seen = self._signs()
        alive_at = asked_at = time.monotonic()
        while not self._stopped.wait(min(0.25, self._timeouts.pulse / 4)):
            if not self._transport.is_active():
                if (wake := self._wake) is not None:
                    wake()
                continue
            if self._is_flooded():
                self._give_up("it sends more than it may")
                continue
            now = time.monotonic()
            limit_at = self._limit_at
            if limit_at is not None and now > limit_at:
                self._give_up("it did not open a channel in time")
                continue
            signs = self._signs()
            if signs != seen:
                seen, alive_at = signs, now
                continue
            if now - alive_at > self._timeouts.silence:
                self._give_up(f"silent for {now - alive_at:.0f} s")
                continue
            # Bytes still on their way bring an answer by themselves, and asking could block behind them.
            if now - max(alive_at, asked_at) > self._timeouts.pulse and not signs[1]:
                asked_at = now
                self._ask()

    def _is_flooded(self) -> bool:
        """Whether a channel holds more than its window. paramiko keeps even what a server sends beyond the window."""
        return any(
            len(channel.in_buffer) + len(channel.in_stderr_buffer) > channel.in_window_size + _OVERRUN_BYTES
            for channel in self._transport._channels.values()  # type: ignore[attr-defined]
        )

    def _signs(self) -> tuple[int, int]:
        """Anything received, or anything more acknowledged, is a sign of life."""
        return self._wire.received, self._wire.unacknowledged()

    def _ask(self) -> None:
        """Send a request that any server answers, without waiting for the answer."""
        message = paramiko.Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        try:
            self._transport._send_user_message(message)  # type: ignore[attr-defined]
        except LINK_BROKE:
            return  # the transport is closing, and its user will find out

    def _give_up(self, verdict: str) -> None:
        self.verdict = verdict
        self._transport.close()
