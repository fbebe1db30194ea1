"""Whether a forwarded port leads to a web service that answers: one HTTP request through it."""

from __future__ import annotations

import re
import socket
import time
from enum import StrEnum

import msgspec

from rpd.adapters.report.words import clean
from rpd.adapters.tunnels.forward import Forward
from rpd.adapters.tunnels.local_port import LOOPBACK
from rpd.engine.errors import RpdError
from rpd.states.ports.faults import Fault

_SAID_CHARACTERS = 120
_SERVER_ERROR = 500
_LINE_BYTES = 4096
_STATUS_LINE = re.compile(rb"HTTP/[0-9](?:\.[0-9])? ([1-9][0-9]{2})(?![0-9])")


class Why(StrEnum):
    """Why a port is not verified."""

    LINK_DOWN = "link_down"  # the SSH link is down now; it comes back by itself, or is over
    NO_LISTENER = "no_listener"  # nothing listens in the pod yet
    BARRED = "barred"  # the pod's sshd forwards no ports: waiting does not help
    SILENT = "silent"  # something listens, and does not answer in time
    NOT_HTTP = "not_http"  # something answers, and not with HTTP
    SERVER_ERROR = "server_error"  # the service answers with a status of 500 or more
    CLOSED = "closed"  # the forward is closed


class Verified(msgspec.Struct, frozen=True):
    """The service has answered with this status (below 500), within `seconds`."""

    status: int
    seconds: float


class Unverified(msgspec.Struct, frozen=True):
    """The service has not answered. `text` is for people. `status` is that of an answer with an error."""

    why: Why
    text: str
    status: int | None = None


def verify(forward: Forward, path: str, seconds: float) -> Verified | Unverified:
    """Ask for `path` once, through the local port, and wait at most `seconds`. Every status below 500 counts: it comes
    from the service itself. Redirects are not followed, and nothing behind the status line is read."""
    port, began = 0, time.monotonic()
    try:
        with socket.create_connection((LOOPBACK, forward.local_port), timeout=seconds) as client:
            port = int(client.getsockname()[1])
            client.sendall(_request(forward, path))
            line = _first_line(client, began + seconds)
    except TimeoutError:
        return _unverified(forward, port, Why.SILENT, f"accepts, and has not answered for {seconds:.0f} s")
    except ConnectionRefusedError:
        return Unverified(Why.CLOSED, f"port {forward.local_port} of this machine is closed")
    except OSError:
        return _unverified(forward, port, Why.NOT_HTTP, "does not speak HTTP: it breaks the connection off")
    found = _STATUS_LINE.match(line)
    if found is None:
        said = clean(line.decode("utf-8", "replace")).strip()[:_SAID_CHARACTERS]
        how = f"it says {said!r}" if line else "it closes the connection without an answer"
        return _unverified(forward, port, Why.NOT_HTTP, f"does not speak HTTP: {how}")
    status = int(found[1])
    if status >= _SERVER_ERROR:
        text = f"port {forward.remote_port} of the pod answers with status {status}"
        return Unverified(Why.SERVER_ERROR, text, status)
    return Verified(status, time.monotonic() - began)


def _request(forward: Forward, path: str) -> bytes:
    host = f"{LOOPBACK}:{forward.local_port}"
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: rpd\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
    )


def _first_line(client: socket.socket, deadline: float) -> bytes:
    """What the service says up to the end of its first line, or all that it says. Raises TimeoutError at the deadline,
    however slowly bytes come."""
    said = b""
    while b"\n" not in said and len(said) < _LINE_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        client.settimeout(left)
        data = client.recv(_LINE_BYTES)
        if not data:
            break
        said += data
    return said.partition(b"\n")[0]


def _unverified(forward: Forward, client_port: int, why: Why, what: str) -> Unverified:
    """The way to the pod explains more than what the client saw."""
    refusal = forward.refusal(client_port)
    if refusal is not None:
        return Unverified(_why(refusal), refusal.message)
    return Unverified(why, f"port {forward.remote_port} of the pod {what}")


def _why(error: RpdError) -> Why:
    known = {Fault.NO_LISTENER: Why.NO_LISTENER, Fault.BARRED: Why.BARRED}
    return known.get(error.reason, Why.LINK_DOWN)  # type: ignore[call-overload, no-any-return]
