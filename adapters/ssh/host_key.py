"""The whole host key of a pod. A journal pins its fingerprint; OpenSSH's files need the key itself."""

from __future__ import annotations

from collections.abc import Callable

from rpd.adapters.ssh.login import greet, transport_over
from rpd.adapters.ssh.timeouts import Timeouts
from rpd.adapters.ssh.wire import dial
from rpd.states.ports.world import SshAddress


def host_key_line(
    address: SshAddress,
    *,
    pin: str,
    alias: str,
    timeouts: Timeouts | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> str:
    """`ssh-ed25519 AAAA...`: the key that the host proves to have, whose fingerprint is the pinned one. No login.

    Raises Unavailable (`ssh_unreachable`), Refused (`host_key_changed`, `barred`) or Interrupted.
    """
    limits = timeouts or Timeouts()
    wire = dial(address, limits.connect, limits.silence, interrupted)
    transport = transport_over(wire, limits)
    try:
        greet(transport, pin, address, alias, limits, interrupted)
        key = transport.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"
    finally:
        wire.hang_up()
        transport.close()
        transport.join(limits.connect)
        transport.packetizer.complete_handshake()
