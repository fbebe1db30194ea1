"""One connection to a forwarded port: bytes both ways, each way ending on its own.

A stream whose link broke ends with a reset, never with a clean end: the client must not take a part for the whole.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

import paramiko

from rpd.adapters.ssh.breakage import LINK_BROKE

_CHUNK = 128 * 1024
_CLOSED_LOOK_SECONDS = 1.0


def reset(client: socket.socket) -> None:
    """Close the socket so that the client sees an error, and not an end."""
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def carry(client: socket.socket, channel: paramiko.Channel) -> None:
    """Carry bytes both ways until both ways have ended. Closes both ends. A slow reader holds up its writer: nothing is
    gathered here beyond the channel's window. Raises RuntimeError if this machine starts no more threads."""
    client.settimeout(None)
    channel.settimeout(None)
    is_sent = threading.Event()
    upward = threading.Thread(target=_send, args=(client, channel, is_sent), name="rpd-forward-up", daemon=True)
    try:
        upward.start()
    except RuntimeError:
        with contextlib.suppress(*LINK_BROKE):
            channel.close()
        raise
    is_whole = False
    try:
        is_whole = _receive(client, channel)
        # The client may go on sending after the pod's end, until the pod closes both ways.
        while is_whole and not is_sent.is_set() and not channel.status_event.wait(_CLOSED_LOOK_SECONDS):
            is_sent.wait(_CLOSED_LOOK_SECONDS)
    finally:
        with contextlib.suppress(*LINK_BROKE):
            channel.close()
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RD)  # wakes the other thread, and tells the client nothing
        upward.join()
        if is_whole:
            client.close()
        else:
            reset(client)


def _send(client: socket.socket, channel: paramiko.Channel, is_sent: threading.Event) -> None:
    """From the client to the pod."""
    try:
        while data := client.recv(_CHUNK):
            rest = memoryview(data)
            while rest:
                count = channel.send(bytes(rest))
                if count == 0:
                    return  # the pod takes no more
                rest = rest[count:]
        channel.shutdown_write()
    except LINK_BROKE:
        with contextlib.suppress(*LINK_BROKE):
            channel.close()  # the client is gone: the pod must not go on sending
    finally:
        is_sent.set()


def _receive(client: socket.socket, channel: paramiko.Channel) -> bool:
    """From the pod to the client. Returns whether the client has all that the pod sent."""
    try:
        while data := channel.recv(_CHUNK):
            client.sendall(data)
        if not channel.eof_received and not channel.get_transport().is_active():
            return False
        client.shutdown(socket.SHUT_WR)
    except LINK_BROKE:
        return False
    return True
