"""What a client has forwarded out of its pod: ports, sockets of files, and its agent."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import Protocol

import asyncssh
from asyncssh.listener import create_unix_forward_listener

_LINKS_MAX = 40


class Inside(Protocol):
    """What is asked about the container."""

    def inside(self, path: str) -> Path | None:
        """Where this machine sees a path of the container; None when there is no container."""
        ...


class Forwards:
    """The listeners of one connection. They end with it, and so do the files of those for an agent."""

    def __init__(self, connection: asyncssh.SSHServerConnection, guest: Inside) -> None:
        self._connection = connection
        self._guest = guest
        self._agent: str | None = None
        self._made: list[tuple[asyncssh.SSHListener, Path]] = []

    async def port(self, host: str, port: int) -> asyncssh.SSHListener:
        """Listen for the client, on loopback alone whatever it asks for: GatewayPorts no. Raises OSError."""
        return await self._connection.forward_local_port("127.0.0.1", port, host, port)

    async def socket(self, path: str) -> asyncssh.SSHListener | bool:
        """Listen at a path of the container; one that exists is left alone. Raises OSError."""
        place = self._guest.inside(path)
        if place is None or place.exists():
            return False
        listener = await self._connection.forward_local_path(str(place), path)
        self._made.append((listener, place))
        return listener

    async def agent(self) -> str | None:
        """A path of the container at which the client's agent answers; None where none can be had."""
        if self._agent is None:
            path = f"/tmp/ssh-{secrets.token_hex(5)}/agent"
            place = self._guest.inside(path)
            if place is None:
                return None
            try:
                place.parent.mkdir(mode=0o700)
                listener = await create_unix_forward_listener(
                    self._connection,
                    self._connection._loop,
                    self._connection.create_agent_connection,
                    str(place),
                )
            except OSError:
                return None
            self._made.append((listener, place))
            self._agent = path
        return self._agent

    def close(self) -> None:
        """End the listeners, and remove their sockets."""
        while self._made:
            listener, place = self._made.pop()
            listener.close()
            with contextlib.suppress(OSError):
                place.unlink(missing_ok=True)
                if place.name == "agent" and place.parent.name.startswith("ssh-"):
                    place.parent.rmdir()


def within(root: Path, path: str) -> Path:
    """A path of the container under its root, with its links followed as the container does: none leads out of it."""
    here, left, links = root, [part for part in reversed(path.split("/")) if part not in ("", ".")], 0
    while left:
        part = left.pop()
        if part == "..":
            here = here if here == root else here.parent
            continue
        place = here / part
        if place.is_symlink() and links < _LINKS_MAX:
            links += 1
            target = str(place.readlink())
            here = root if target.startswith("/") else here
            left += [each for each in reversed(target.split("/")) if each not in ("", ".")]
        elif not place.is_symlink():
            here = place
    return here
