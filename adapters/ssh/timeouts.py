"""How long each part of a connection may take."""

from __future__ import annotations

import msgspec


class Timeouts(msgspec.Struct, frozen=True):
    """All in seconds.

    `connect`: TCP. `banner`: the server's first line and the key exchange. `auth`: the login. `channel`: opening a
    channel and starting its command. `pulse`: how often a silent link is asked whether it lives. `silence`: how long it
    may then stay silent before it counts as lost. `stall`: how long a command may refuse to take more input.
    """

    connect: float = 10.0
    banner: float = 15.0
    auth: float = 15.0
    channel: float = 15.0
    pulse: float = 3.0
    silence: float = 15.0
    stall: float = 300.0


POLL_SECONDS = 0.1
"""The longest wait between two looks at `interrupted`."""
