"""The SSH door of a pod: a port on loopback that behaves like the container's sshd, or fails as real ones do."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import itertools
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import asyncssh
from asyncssh.forward import SSHForwarder

from rpd.adapters.sandbox.machine.guest import Guest
from rpd.adapters.sandbox.machine.sshd_forwards import Forwards
from rpd.adapters.sandbox.machine.sshd_session import SshSession

SshFault = Literal["refuse", "nobanner", "close", "auth", "root", "password", "algorithms", "command"]
"""refuse: nothing listens. nobanner: accepted, then silence. close: gone after the banner. auth: no key is good, as
before it is written. root: the key is known, and root may not log in. password: no login with a key. algorithms: only
ones that nobody should use. command: /bin/false in place of every command."""

_BANNER = b"SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.13\r\n"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", ""})
_BACKLOG = 128
_OUTDATED = ("diffie-hellman-group1-sha1",)
_WINDOW = 4 << 20
SESSIONS_MAX = 10
"""How many sessions one connection may have open at once: sshd's MaxSessions, by default."""


class SshDoor:
    """One listening port. The container behind it may come and go; connections never outlive a container."""

    def __init__(self, guest: Guest, on_login: Callable[[], None]) -> None:
        self._guest = guest
        self._on_login = on_login
        self._listener: socket.socket | None = None
        self._is_listening = False
        self._fault: SshFault | None = None
        self._held: set[socket.socket] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self.sessions_max = SESSIONS_MAX
        self.port = 0

    def open(self) -> int:
        """Listen on a fresh port of 127.0.0.1; returns the port."""
        self._listener = _bound(0)
        self.port = self._listener.getsockname()[1]
        if self._fault != "refuse":
            self._listen()
        return self.port

    def set_fault(self, how: SshFault | None) -> None:
        """Fail new connections in this way, or serve them again; open ones are left alone."""
        self._fault = how
        if self._listener is None:
            return
        if how == "refuse" and self._is_listening:
            # A socket that is bound but does not listen refuses, and keeps the port from everybody else.
            self._deafen()
            self._listener.close()
            self._listener = _bound(self.port)
        elif how != "refuse" and not self._is_listening:
            self._listen()
        if how != "nobanner":
            self._drop_held()

    async def hang_up(self) -> None:
        """End every connection, because the container ended."""
        self._drop_held()
        tasks = list(self._starting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        connections = list(self._connections)
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.wait_closed() for connection in connections), return_exceptions=True)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._listener is not None:
            self._deafen()
            self._listener.close()
            self._listener = None
        await self.hang_up()

    @property
    def fault(self) -> SshFault | None:
        """How new connections fail."""
        return self._fault

    def admits(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether this key opens the container now."""
        if username != "root" or self._fault == "auth":
            return False
        return key.public_data in set(_public_keys(self._guest.authorized_keys()))

    def greeted(self) -> None:
        """A login succeeded."""
        self._on_login()

    def joined(self, connection: asyncssh.SSHServerConnection) -> None:
        """A connection begins."""
        self._connections.add(connection)

    def left(self, connection: asyncssh.SSHServerConnection) -> None:
        """A connection ended."""
        self._connections.discard(connection)

    def _listen(self) -> None:
        assert self._listener is not None
        self._listener.listen(_BACKLOG)
        self._is_listening = True
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _deafen(self) -> None:
        if self._is_listening and self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
        self._is_listening = False

    def _accept(self) -> None:
        while self._listener is not None and self._is_listening:
            try:
                visitor, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            visitor.setblocking(False)
            if self._fault == "nobanner":
                self._hold(visitor)
            elif self._fault == "close":
                with contextlib.suppress(OSError):
                    visitor.send(_BANNER)
                visitor.close()
            elif not self._guest.has_sshd():
                # A mapped port without a listener behind it: accepted by the host, reset at once.
                visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                visitor.close()
            else:
                task = asyncio.get_running_loop().create_task(self._serve(visitor))
                self._starting.add(task)
                task.add_done_callback(self._starting.discard)

    async def _serve(self, visitor: socket.socket) -> None:
        """See one connection through its handshake; afterwards it lives on its own."""
        served = False
        try:
            await asyncssh.run_server(
                visitor,
                server_factory=lambda: _Server(self, self._guest),
                server_host_keys=[self._guest.host_key()],
                server_version="OpenSSH_8.9p1",
                encoding=None,
                line_editor=False,
                allow_scp=False,
                agent_forwarding=True,
                x11_forwarding=False,
                compression_algs=["none"],
                window=_WINDOW,
                login_timeout=120,
                kex_algs=_OUTDATED if self._fault == "algorithms" else (),
            )
            served = True
        except (asyncssh.Error, OSError):
            # The visitor left or was not let in; that is between the two of them.
            pass
        finally:
            if not served:
                visitor.close()

    def _hold(self, visitor: socket.socket) -> None:
        """Keep a connection without a word until the other side gives up."""
        loop = asyncio.get_running_loop()
        self._held.add(visitor)

        def listen_for_the_end() -> None:
            try:
                is_over = visitor.recv(4096) == b""
            except BlockingIOError:
                return
            except OSError:
                is_over = True
            if is_over:
                self._release(visitor)

        loop.add_reader(visitor, listen_for_the_end)

    def _release(self, visitor: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(visitor)
        self._held.discard(visitor)
        visitor.close()

    def _drop_held(self) -> None:
        for visitor in list(self._held):
            self._release(visitor)


class _Server(asyncssh.SSHServer):
    """One connection's decisions: keys only, root only, forwarding to and from loopback and files only."""

    def __init__(self, door: SshDoor, guest: Guest) -> None:
        self._door = door
        self._guest = guest
        self._connection: asyncssh.SSHServerConnection | None = None
        self._forwards: Forwards | None = None
        self._sessions = 0
        self._is_lost = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._forwards = Forwards(conn, self._guest)
        self._door.joined(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        if self._forwards is not None:
            self._forwards.close()
        if self._connection is not None:
            self._door.left(self._connection)

    def begin_auth(self, username: str) -> bool:
        if self._door.fault == "root" and self._connection is not None:
            bar_logins(self._connection)
        return True

    def auth_completed(self) -> None:
        self._door.greeted()

    def public_key_auth_supported(self) -> bool:
        return self._door.fault != "password"

    def password_auth_supported(self) -> bool:
        return self._door.fault == "password"

    def kbdint_auth_supported(self) -> bool:
        return False

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._door.admits(username, key)

    def session_requested(self) -> SshSession | bool:
        if self._sessions >= self._door.sessions_max:
            return False
        self._sessions += 1
        is_barred = self._door.fault == "command"
        assert self._forwards is not None
        instead = "/bin/false" if is_barred else None
        return SshSession(self._guest, self._session_ended, agent=self._forwards.agent, instead=instead)

    def _session_ended(self) -> None:
        self._sessions -= 1

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        if dest_host not in _LOOPBACK or self._connection is None:
            return False
        port = self._guest.port_of(dest_port)
        if port is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")
        return self._joined(self._connection.forward_connection("127.0.0.1", port))

    async def server_requested(self, listen_host: str, listen_port: int) -> asyncssh.SSHListener:
        assert self._forwards is not None
        return await self._forwards.port(listen_host, listen_port)

    def unix_connection_requested(self, dest_path: str) -> Any:
        place = self._guest.inside(dest_path)
        if place is None or self._connection is None:
            return False
        return self._joined(self._connection.forward_unix_connection(str(place)))

    async def _joined(self, opening: Awaitable[SSHForwarder]) -> SSHForwarder:
        """The connection to the pod's service. asyncssh forgets it open if the client has gone meanwhile: the service
        would wait for a client that never says anything."""
        forwarder = await opening
        if self._is_lost:
            forwarder.close()
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "the client is gone")
        return forwarder

    async def unix_server_requested(self, listen_path: str) -> asyncssh.SSHListener | bool:
        assert self._forwards is not None
        return await self._forwards.socket(listen_path)


def bar_logins(connection: asyncssh.SSHServerConnection) -> None:
    """Answer that a key is known, and refuse the login with it all the same: PermitRootLogin no."""
    validate = connection.validate_public_key

    async def know_only(username: str, key_data: bytes, message: bytes, signature: bytes) -> bool:
        return not message and await validate(username, key_data, message, signature)

    connection.validate_public_key = know_only  # type: ignore[method-assign,assignment]


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    listener.bind(("127.0.0.1", port))
    return listener


def _public_keys(text: str) -> list[bytes]:
    """The keys of an authorized_keys file; what is not a key is passed over, as sshd does."""
    keys = []
    for line in text.splitlines():
        words = line.split()
        for kind, blob in itertools.pairwise(words):
            if kind.startswith(("ssh-", "ecdsa-", "sk-")):
                with contextlib.suppress(binascii.Error):
                    keys.append(base64.b64decode(blob))
                break
    return keys
