"""The open connections of the HTTP server, so that a fault can cut the one a request came in on."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol


class Connections:
    """Transports by the address of their client."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def abort(self, scope: Scope) -> None:
        """Cut the line at once; what was not sent yet is lost."""
        transport = self._transports.get(tuple(scope["client"]))
        if transport is not None:
            transport.abort()

    def close(self, scope: Scope) -> None:
        """Cut the line after what was sent already has left."""
        transport = self._transports.get(tuple(scope["client"]))
        if transport is not None:
            transport.close()

    def protocol(self) -> type[asyncio.Protocol]:
        """The HTTP protocol class whose connections are known here."""
        transports = self._transports

        class KnownConnection(H11Protocol):
            def connection_made(self, transport: Any) -> None:
                self._peer = transport.get_extra_info("peername")
                transports[self._peer] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self._peer, None)
                super().connection_lost(exc)

        return KnownConnection
