"""What a session asks for and what answers: the services in the pod that a person reaches over local ports."""

from __future__ import annotations

import msgspec

READY_SECONDS = 600.0
"""How long a service may take to answer after the pod was reached."""


class Service(msgspec.Struct, frozen=True):
    """A port of the pod that speaks HTTP. It counts as ready when `path` answers with a status below 500."""

    port: int
    path: str = "/"


class Served(msgspec.Struct, frozen=True):
    """How a service answered. `local_port` is the port of this machine that leads to it; None if there is none.

    `said` is for people, and the same as long as nothing changes.
    """

    port: int
    local_port: int | None
    is_ready: bool
    said: str = ""


class SessionSpec(msgspec.Struct, frozen=True):
    """What was asked of a session beside its pod. `preset` names where the services come from, for people."""

    services: tuple[Service, ...] = ()
    ready_seconds: float = READY_SECONDS
    preset: str = ""
