"""One attempt on the wire: a requests session whose reads end on time, and which knows whether anything was sent.

requests limits the silence between two bytes, not the whole time; and an error text does not tell whether the request
had left. Both matter here: a call must end by its deadline however slowly bytes come, and a request that never left is
no effect.
"""

from __future__ import annotations

import io
import math
import socket
import time
from collections.abc import Callable, Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any

from requests import Response, Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProtocolError

SLICE_SECONDS = 0.25
"""How often a waiting read checks the watch."""
SEND_SECONDS = 30.0
_PIECE_BYTES = 65536


class Watch:
    """Watches over one attempt at a time: its deadline, whether bytes have left, whether a request wants it to end."""

    def __init__(self) -> None:
        self.left = False
        self.is_woken = False
        self._ends_at = 0.0
        self._quiet_at = math.inf
        self._wants_end: Callable[[], bool] = bool

    def begin(self, seconds: float, wants_end: Callable[[], bool] = bool) -> None:
        """A new attempt begins and may take this many seconds. `wants_end` is asked while it waits for bytes."""
        self.left = False
        self.is_woken = False
        self._wants_end = wants_end
        self._ends_at = time.monotonic() + seconds
        self._quiet_at = math.inf

    def expect_more_within(self, seconds: float) -> None:
        """End after this many seconds of silence from now, if that is sooner than the deadline."""
        self._quiet_at = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """Seconds to the end of the attempt. Negative after the end."""
        return min(self._ends_at, self._quiet_at) - time.monotonic()

    def check(self) -> None:
        """Raise TimeoutError if the attempt has to end."""
        if self._wants_end():
            self.is_woken = True
            raise TimeoutError("woken")
        if self.seconds_left <= 0:
            raise TimeoutError("deadline")


class Wire(HTTPAdapter):
    """requests' transport with watched connections and no retries of its own. One attempt at a time."""

    def __init__(self, watch: Watch) -> None:
        self._pools = _watched_pools(watch)
        super().__init__(pool_connections=2, pool_maxsize=2, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As the base class, with watched connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """As the base class, with watched connections."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class Straight(Session):
    """A requests session for one attempt at a time over one wire: no redirect, no cookie. Read bodies with `stream` and
    a bound. Without a call of the watch's `begin`, an attempt ends at once."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.wire = Wire(watch)
        self.mount("https://", self.wire)
        self.mount("http://", self.wire)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, resp: Response) -> None:
        """None: requests reads the whole body of a redirect, whatever its length, even if it must not follow it."""


def pieces(response: Response, *, is_decoded: bool = False) -> Iterator[bytes]:
    """The body as it comes, whatever length its headers and chunks claim. The reader sets the bound.

    Raises OSError or urllib3's HTTPError. http.client passes the negative size of a chunk on to the socket: if read as
    a whole, such a body has no bound.
    """
    while True:
        try:
            piece = response.raw.read1(_PIECE_BYTES, decode_content=is_decoded)
        except OverflowError as error:
            raise ProtocolError("a chunk says that it has a size that there is not") from error
        if not piece:
            return
        yield piece


def _watched_pools(watch: Watch) -> dict[str, Any]:
    """Connection pools by scheme whose connections report to this watch."""

    class Plain(_Watched, HTTPConnection):
        pass

    class Tls(_Watched, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    Plain.watch = Tls.watch = watch
    return {"http": PlainPool, "https": TlsPool}


class _Watched:
    """Mixed into a urllib3 connection: marks the first byte of a request, and hands out patient sockets."""

    watch: Watch
    sock: Any
    _is_connecting = False

    def connect(self) -> None:
        """Connect. The bytes to a proxy or in the TLS handshake do not belong to the request yet."""
        self._is_connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._is_connecting = False
        self.sock = _WatchedSocket(self.sock, self.watch)

    def send(self, data: Any) -> None:
        """Send, connecting first if needed."""
        if self.sock is None:
            self.connect()
        if not self._is_connecting:
            self.watch.left = True
            self.sock.settimeout(SEND_SECONDS)
        super().send(data)  # type: ignore[misc]


class _WatchedSocket:
    """A socket in all but its read side."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self._sock = sock
        self._watch = watch

    def makefile(self, *_args: object, **_kwargs: object) -> io.BufferedReader:
        """The read side as http.client asks for it."""
        return io.BufferedReader(_WatchedReader(self._sock, self._watch))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _WatchedReader(io.RawIOBase):
    """Reads in slices, so that the watch is asked even if no byte comes."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self._sock = sock
        self._watch = watch
        # An open file keeps the descriptor alive after the connection's close, as http.client expects.
        self._hold = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """At least one byte, zero at the end. TimeoutError if the watch ends the attempt."""
        while True:
            self._watch.check()
            self._sock.settimeout(max(0.01, min(SLICE_SECONDS, self._watch.seconds_left)))
            try:
                return self._sock.recv_into(memoryview(buffer))
            except TimeoutError:
                continue

    def close(self) -> None:
        """Let go of the socket."""
        if not self.closed:
            self._hold.close()
        super().close()
