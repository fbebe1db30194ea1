"""What the SSH tests stand on: a real server in a process of its own, and a proxy that spoils the network."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh

from rpd.adapters.ssh.connection import Connection
from rpd.adapters.ssh.timeouts import Timeouts
from rpd.states.ports.world import SshAddress

QUICK = Timeouts(connect=20, banner=20, auth=20, channel=20, pulse=0.4, silence=1.5, stall=10)


class Server:
    """One SSH server; `home` is where its commands run. `options` are those of sshd; asyncssh knows MaxSessions,
    PermitRootLogin=no and AllowTcpForwarding=no. Use as a context manager."""

    def __init__(self, folder: Path, kind: str = "asyncssh", kex: str = "", **options: object) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.key = folder / "client_key"
        self.pin = self._write_keys()
        self._kind = kind
        self._kex = [kex] if kex else []
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def _write_keys(self) -> str:
        client = asyncssh.generate_private_key("ssh-ed25519")
        client.write_private_key(str(self.key))
        self.key.chmod(0o600)
        (self.folder / "authorized_keys").write_bytes(client.export_public_key())
        return self.change_host_key()

    def change_host_key(self) -> str:
        """Write a new host key (seen after a restart); returns its fingerprint."""
        host = asyncssh.generate_private_key("ssh-ed25519")
        host.write_private_key(str(self.folder / "host_key"))
        (self.folder / "host_key").chmod(0o600)
        return str(host.convert_to_public().get_fingerprint())

    def start(self) -> Server:
        """Start serving on a fresh port."""
        if self._kind == "sshd":
            self._start_sshd()
            return self
        program = Path(__file__).with_name("server.py")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(program), str(self.folder), *self._kex],
            env={
                **os.environ,
                "MAX_SESSIONS": str(self._options.get("MaxSessions", 1000)),
                "PERMIT_ROOT_LOGIN": str(self._options.get("PermitRootLogin", "yes")),
                "ALLOW_TCP_FORWARDING": str(self._options.get("AllowTcpForwarding", "yes")),
            },
            stdout=subprocess.PIPE,
            stderr=(self.folder / "server.log").open("w"),
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline() or 0)
        assert self.port, (self.folder / "server.log").read_text()
        return self

    def _start_sshd(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        program = _sshd() or "sshd"
        options = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": self.folder / "host_key",
            "AuthorizedKeysFile": self.folder / "authorized_keys",
            "StrictModes": "no",
            "UsePAM": "no",
            "PidFile": "none",
            **self._options,
        }
        arguments = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        self._process = subprocess.Popen(
            [program, "-D", "-e", "-f", "/dev/null", *arguments],
            stderr=(self.folder / "server.log").open("w"),
            text=True,
        )
        eventually(lambda: _accepts(self.port), "sshd accepts connections")

    def forget_keys(self) -> None:
        """From now on no key is good."""
        (self.folder / "authorized_keys").write_text("")

    def stop(self) -> None:
        """End the server and its connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(10)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def freeze(self) -> None:
        """Stop the server as a hung host does: its kernel goes on acknowledging."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    @contextlib.contextmanager
    def fault(self, **faults: object) -> Iterator[None]:
        """Spoil every command started within the body."""
        path = self.folder / "faults.json"
        path.write_text(json.dumps(faults))
        try:
            yield
        finally:
            path.unlink()

    @property
    def address(self) -> SshAddress:
        """Where it listens."""
        return SshAddress("127.0.0.1", self.port, os.environ.get("USER", "root") if self._kind == "sshd" else "root")

    def connect(
        self,
        *,
        address: SshAddress | None = None,
        timeouts: Timeouts = QUICK,
        host_key: str | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> Connection:
        """A connection of the product to this server."""
        return Connection.open(
            address or self.address,
            key_path=self.key,
            host_key=host_key,
            alias="rpd-pod-test",
            timeouts=timeouts,
            interrupted=interrupted,
        )

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class Proxy:
    """A TCP proxy on loopback. `delay` seconds each way; cut after `reset_after` bytes one way.

    A reset takes with it what the receiver has not read yet; where that matters, the cut waits until `read` is set.
    """

    def __init__(
        self,
        port: int,
        *,
        delay: float = 0.0,
        reset_after: int | None = None,
        upstream: bool = False,
        read: threading.Event | None = None,
    ) -> None:
        self._target = port
        self._delay = delay
        self._reset_after = reset_after
        self._counts_upstream = upstream
        self._read = read
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = SshAddress("127.0.0.1", self._listener.getsockname()[1])
        self._stopped = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Cut everything and join all threads."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [client, server]
            for source, target, counted in (
                (client, server, self._counts_upstream),
                (server, client, not self._counts_upstream),
            ):
                thread = threading.Thread(target=self._carry, args=(source, target, counted))
                self._threads.append(thread)
                thread.start()

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        """Bytes on, each late by the delay but with no other loss of rate."""
        waiting: list[tuple[float, bytes]] = []
        carried = 0
        selector = selectors.DefaultSelector()
        selector.register(source, selectors.EVENT_READ)
        with contextlib.suppress(OSError, ValueError):
            while not self._stopped.is_set():
                until = waiting[0][0] - time.monotonic() if waiting else 0.5
                if until > 0 and selector.select(until):
                    data = source.recv(1 << 18)
                    if not data:
                        break
                    waiting.append((time.monotonic() + self._delay, data))
                while waiting and waiting[0][0] <= time.monotonic():
                    data = waiting.pop(0)[1]
                    carried += len(data)
                    if counted and self._reset_after is not None and carried > self._reset_after:
                        if self._read is not None:
                            self._read.wait(30)
                        source.close()
                        target.close()
                        return
                    target.sendall(data)
            for _, data in waiting:
                target.sendall(data)
        selector.close()
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def has_openssh() -> bool:
    """Whether OpenSSH's server is installed here, and can run."""
    return _sshd() is not None and (os.geteuid() != 0 or Path("/run/sshd").is_dir())


def _sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def eventually(condition: Callable[[], object], what: str, seconds: float = 40.0) -> None:
    """Wait until `condition` holds; fails when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        threading.Event().wait(0.01)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
