"""Cutting the TCP connections of another process, as a network does: without its knowledge or consent."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

_PIDFD_GETFD = 438


def cut(pid: int, *, spare_port: int) -> int:
    """Shut down every connection of the process but those to `spare_port`; how many there were. Raises OSError where
    the kernel forbids it."""
    count = 0
    for connection in _connections(pid):
        with connection:
            if connection.getpeername()[1] != spare_port:
                connection.shutdown(socket.SHUT_RDWR)
                count += 1
    return count


def _connections(pid: int) -> Iterator[socket.socket]:
    process = os.pidfd_open(pid)
    try:
        for entry in list(Path(f"/proc/{pid}/fd").iterdir()):
            try:
                if not str(entry.readlink()).startswith("socket:"):
                    continue
            except OSError:
                continue
            number = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, int(entry.name), 0)
            if number < 0:
                raise OSError(ctypes.get_errno(), "pidfd_getfd")
            found = socket.socket(fileno=number)
            if found.family == socket.AF_INET and _is_connected(found):
                yield found
            else:
                found.close()
    finally:
        os.close(process)


def _is_connected(found: socket.socket) -> bool:
    try:
        found.getpeername()
    except OSError:
        return False
    return True
