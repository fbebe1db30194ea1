"""What listens in a pod: services on loopback, each with the behaviour that a test needs."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Talk = Callable[[socket.socket], None]


@contextlib.contextmanager
def service(talk: Talk) -> Iterator[int]:
    """A service that does `talk` with each client. Gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    clients: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            talk(client)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            clients.append(client)
            threads.append(threading.Thread(target=serve, args=(client,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(10)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)


def answers(status: str) -> Talk:
    """An HTTP answer with this status."""

    def talk(client: socket.socket) -> None:
        _head(client)
        client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode())

    return talk


def echo(client: socket.socket) -> None:
    """Every byte back, until the client ends; then our end."""
    while data := client.recv(65536):
        client.sendall(data)


def counts(client: socket.socket) -> None:
    """Read to the client's end, and only then say how much came."""
    total = 0
    while data := client.recv(65536):
        total += len(data)
    client.sendall(str(total).encode())


def mute(client: socket.socket) -> None:
    """Read, and say nothing."""
    while client.recv(65536):
        pass


def hangs_up(client: socket.socket) -> None:
    """Close at once after the first bytes."""
    client.recv(1)


def drips(client: socket.socket) -> None:
    """One byte at a time, for ever, and never a line."""
    _head(client)
    while True:
        client.sendall(b"H")
        threading.Event().wait(0.1)


def greets(client: socket.socket) -> None:
    """A protocol that is not HTTP."""
    client.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
    client.recv(65536)


def _head(client: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(4096)
        if not data:
            return
        head += data
