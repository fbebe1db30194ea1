"""One forwarded port: its listener, and the connections to it."""

from __future__ import annotations

import collections
import contextlib
import socket
import threading
import time

import paramiko

from rpd.adapters.tunnels.link import Link
from rpd.adapters.tunnels.local_port import LOOPBACK
from rpd.adapters.tunnels.stream import carry, reset
from rpd.engine.errors import RpdError
from rpd.states.ports.faults import Fault

CONNECTIONS_MAX = 64
"""Connections to one port at once, each with two threads and two sockets. Further ones wait in the backlog."""
HOLD_SECONDS = 20.0
"""How long a new connection waits for a link that is down. Nothing was sent yet, so the wait loses nothing."""
_LOOK_SECONDS = 0.25
_REFUSALS_KEPT = 256
_JOIN_SECONDS = 3.0


class Forward:
    """A port of 127.0.0.1 that leads to `remote_port` of the pod."""

    def __init__(self, link: Link, listener: socket.socket, remote_port: int) -> None:
        self.remote_port = remote_port
        self.local_port = int(listener.getsockname()[1])
        self._link = link
        self._listener = listener
        self._is_closed = threading.Event()
        self._free = threading.Semaphore(CONNECTIONS_MAX)
        self._lock = threading.Lock()
        self._live: dict[socket.socket, threading.Thread] = {}
        self._refusals: collections.OrderedDict[int, RpdError] = collections.OrderedDict()
        listener.settimeout(_LOOK_SECONDS)
        self._thread = threading.Thread(target=self._accept, name=f"rpd-forward-{self.local_port}", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{LOOPBACK}:{self.local_port}"

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        with self._lock:
            return len(self._live)

    def refusal(self, client_port: int) -> RpdError | None:
        """Why the connection from this port of 127.0.0.1 was reset before it reached the pod's port. Forgets it."""
        with self._lock:
            return self._refusals.pop(client_port, None)

    def close(self) -> None:
        """Listen no more, and reset what is open. Returns within a few seconds."""
        self._is_closed.set()
        self._thread.join(_JOIN_SECONDS)
        self._listener.close()
        with self._lock:
            live = dict(self._live)
        for client in live:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in live.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        while not self._is_closed.is_set():
            if not self._free.acquire(timeout=_LOOK_SECONDS):
                continue
            try:
                client, (_, client_port) = self._listener.accept()
            except OSError:  # nobody came, or this process has no descriptor left for now
                self._free.release()
                self._is_closed.wait(0.01)
                continue
            thread = threading.Thread(target=self._serve, args=(client, client_port), name="rpd-forward", daemon=True)
            with self._lock:
                self._live[client] = thread
            try:
                thread.start()
            except RuntimeError:  # this machine starts no more threads for now; the port must outlive that
                self._end(client)
                self._is_closed.wait(_LOOK_SECONDS)

    def _serve(self, client: socket.socket, client_port: int) -> None:
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            carry(client, self._channel())
        except RpdError as error:
            with self._lock:
                self._refusals[client_port] = error
                while len(self._refusals) > _REFUSALS_KEPT:
                    self._refusals.popitem(last=False)
        except (OSError, RuntimeError):
            pass
        finally:
            self._end(client)

    def _end(self, client: socket.socket) -> None:
        """Another connection may take its place. One that was not carried to its end is reset."""
        reset(client)
        with self._lock:
            self._live.pop(client, None)
        self._free.release()

    def _channel(self) -> paramiko.Channel:
        """A stream to the pod's port. A link that is lost meanwhile gets its time to come back."""
        deadline = time.monotonic() + HOLD_SECONDS
        while True:
            connection = self._link.connection(max(0.0, deadline - time.monotonic()))
            try:
                return connection.to_port(self.remote_port)
            except RpdError as error:
                if error.reason != Fault.LINK_LOST or time.monotonic() > deadline or self._is_closed.is_set():
                    raise
            self._is_closed.wait(_LOOK_SECONDS)
