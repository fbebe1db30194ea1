"""An SFTP server for one session: a program that enters the container, as `python -m` this module with a plan.

asyncssh brings the server; what is missing is a place in the container, whose Python knows no asyncssh. So the program
loads all it needs here and enters then. PLAN is JSON: `pid`, whose mounts are entered, with `is_user` by way of its
user namespace; or `paths`, from a folder of the container to where it is on this machine. It speaks on its standard
streams.
"""

from __future__ import annotations

import asyncio
import ctypes
import grp
import json
import logging
import os
import posixpath
import pwd
import sys
from typing import Any, cast

import asyncssh
from asyncssh import sftp
from asyncssh.logging import SSHLogger

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
_BUFFER_BYTES = 1 << 20


class _Server(asyncssh.SFTPServer):
    """Files as the container has them. `paths` maps its folders to this machine's; empty once it has been entered."""

    def __init__(self, paths: dict[str, str]) -> None:
        self._chroot = None
        self._paths = {os.fsencode(inner): os.fsencode(outer) for inner, outer in paths.items()}

    def map_path(self, path: bytes) -> bytes:
        path = posixpath.normpath(posixpath.join(b"/root", path))
        return _moved(path, self._paths)

    def reverse_map_path(self, path: bytes) -> bytes:
        return _moved(path, {outer: inner for inner, outer in self._paths.items()})


class _Reader:
    """What the server asks of its input."""

    def __init__(self, stream: asyncio.StreamReader, logger: SSHLogger) -> None:
        self.logger = logger
        self.readexactly = stream.readexactly

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Whose order the two names of a link are in: clients take this server for OpenSSH's, which has its own."""
        return "OpenSSH" if name == "client_version" else default


class _Writer:
    """What the server asks of its output."""

    def __init__(self, stream: asyncio.StreamWriter, logger: SSHLogger) -> None:
        self.logger = logger
        self.write = stream.write
        self.close = stream.close
        self.channel = stream  # it is asked whether it is closing


class _Output(asyncio.streams.FlowControlMixin):
    """The far end of the output: it says when the last byte has left."""

    def __init__(self) -> None:
        super().__init__()
        self._closed = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self._closed.done():
            self._closed.set_result(None)  # a client that left early is no error of ours

    def _get_close_waiter(self, stream: asyncio.StreamWriter) -> asyncio.Future[None]:
        return self._closed


def _moved(path: bytes, paths: dict[bytes, bytes]) -> bytes:
    for start in sorted(paths, key=len, reverse=True):
        if path == start or path.startswith(start + b"/"):
            return paths[start] + path[len(start) :]
    return path


def _enter(pid: int, *, is_user: bool) -> None:
    """Go where this process is, with all that was loaded. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    kinds = [("user", CLONE_NEWUSER)] * is_user + [("mnt", CLONE_NEWNS)]
    places = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), flag) for name, flag in kinds]
    for place, flag in places:
        if libc.setns(place, flag) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the namespaces of {pid}")
        os.close(place)
    os.chdir("/root")


async def _serve(server: asyncssh.SFTPServer) -> None:
    loop = asyncio.get_running_loop()
    stdin, logger = asyncio.StreamReader(_BUFFER_BYTES), SSHLogger(logging.getLogger("asyncssh"))
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(_Output, sys.stdout)
    stdout = asyncio.StreamWriter(transport, protocol, None, loop)
    reader, writer = cast(Any, _Reader(stdin, logger)), cast(Any, _Writer(stdout, logger))
    await sftp.run_sftp_server(server, reader, writer, sftp.MIN_SFTP_VERSION)
    stdout.close()
    await stdout.wait_closed()


def main() -> None:
    """Enter and serve, to the end of the input."""
    plan = json.loads(sys.argv[1])
    loop = asyncio.new_event_loop()  # its pieces are loaded before the files they stand in are out of sight
    pwd.getpwuid(0)
    grp.getgrgid(0)
    if plan.get("pid"):
        _enter(plan["pid"], is_user=plan["is_user"])
    loop.run_until_complete(_serve(_Server(plan.get("paths", {}))))


if __name__ == "__main__":
    main()
