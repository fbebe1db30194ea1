"""Whether a forwarded port leads to a web service that answers: one HTTP request through it."""

from __future__ import annotations

import http.client
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
    """Ask for `path` once, through the local port, and wait at most `seconds` for each part of the answer. Every status
    below 500 counts: it comes from the service itself. Redirects are not followed."""
    asked = http.client.HTTPConnection(LOOPBACK, forward.local_port, timeout=seconds)
    port, began = 0, time.monotonic()
    try:
        asked.connect()
        port = int(asked.sock.getsockname()[1])
        asked.request("GET", path, headers={"Connection": "close", "User-Agent": "rpd", "Accept": "*/*"})
        status = asked.getresponse().status
    except TimeoutError:
        return _unverified(forward, port, Why.SILENT, f"accepts, and has not answered for {seconds:.0f} s")
    except http.client.HTTPException as error:
        said = clean(str(error))[:_SAID_CHARACTERS]
        is_mute = isinstance(error, http.client.RemoteDisconnected)
        how = "it closes the connection without an answer" if is_mute else f"it says {said!r}"
        return _unverified(forward, port, Why.NOT_HTTP, f"does not speak HTTP: {how}")
    except ConnectionRefusedError:
        return Unverified(Why.CLOSED, f"port {forward.local_port} of this machine is closed")
    except OSError:
        return _unverified(forward, port, Why.NOT_HTTP, "does not speak HTTP: it breaks the connection off")
    finally:
        asked.close()
    if status >= _SERVER_ERROR:
        return Unverified(
            Why.SERVER_ERROR, f"port {forward.remote_port} of the pod answers with status {status}", status
        )
    return Verified(status, time.monotonic() - began)


def _unverified(forward: Forward, client_port: int, why: Why, what: str) -> Unverified:
    """The way to the pod explains more than what the client saw."""
    refusal = forward.refusal(client_port)
    if refusal is not None:
        return Unverified(_why(refusal), refusal.message)
    return Unverified(why, f"port {forward.remote_port} of the pod {what}")


def _why(error: RpdError) -> Why:
    known = {Fault.NO_LISTENER: Why.NO_LISTENER, Fault.BARRED: Why.BARRED}
    return known.get(error.reason, Why.LINK_DOWN)  # type: ignore[call-overload, no-any-return]
