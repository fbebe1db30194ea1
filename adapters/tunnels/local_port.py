"""A listening port of this machine: on loopback alone, and nobody else's."""

from __future__ import annotations

import errno
import socket
import sys

from rpd.engine.errors import UserError

LOOPBACK = "127.0.0.1"
NEXT_MAX = 50
"""How many ports after the wanted one are tried."""
_BACKLOG = 64
_FIRST_UNPRIVILEGED = 1024
_INSTEAD_OF_PRIVILEGED = 8000
"""Port 80 of a pod is 8080 here."""
_LAST = 65535


def listen(remote_port: int, local_port: int | None) -> socket.socket:
    """Listen at `local_port` of 127.0.0.1. None: the pod's port number, or the next free one.

    Raises UserError if the port is taken or not allowed, and for None if none of the next ports is free.
    """
    if local_port is not None:
        try:
            return _bound(local_port)
        except OSError as error:
            raise UserError(
                f"port {local_port} of this machine {_why(error)}",
                reason="port_taken",
                hint=f"name another: {remote_port}:{_another(local_port)}   "
                f"(or {remote_port} alone: rpd then takes the next free port)",
            ) from error
    first = remote_port if remote_port >= _FIRST_UNPRIVILEGED else remote_port + _INSTEAD_OF_PRIVILEGED
    for port in range(first, min(first + NEXT_MAX, _LAST) + 1):
        try:
            return _bound(port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise UserError(f"port {port} of this machine {_why(error)}", reason="port_taken") from error
    raise UserError(
        f"ports {first} to {min(first + NEXT_MAX, _LAST)} of this machine are taken",
        reason="port_taken",
        hint=f"name a free one: {remote_port}:LOCAL",
    )


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "linux":
            # It passes over connections that just ended. Elsewhere it would also share the port with another listener.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "is taken by another program"
    if error.errno == errno.EACCES:
        return "may not be used by an ordinary user"
    return f"cannot be used: {error.strerror}"


def _another(port: int) -> int:
    return port + 1 if _FIRST_UNPRIVILEGED <= port < _LAST else _INSTEAD_OF_PRIVILEGED + 80
