"""Answers that are not JSON documents: problems, HTML from the edge, and lines that drop, hang or break off."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.responses import HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from rpd.adapters.sandbox.api.connections import Connections
from rpd.adapters.sandbox.cloud.problems import Problem


def document(content: Any, status: int = 200) -> Response:
    """A JSON document."""
    return Response(json.dumps(content), status, media_type="application/json")


def whole_list(name: str, items: list[Any]) -> Response:
    """A list that has one page."""
    return document({name: items, "pagination": {"nextCursor": None, "hasNextPage": False}})


def problem(error: Problem) -> Response:
    """An error as application/problem+json."""
    return Response(json.dumps(error.body), error.status, error.headers, media_type="application/problem+json")


def edge_page(status: int, text: str) -> Response:
    """An HTML page of whatever stands before the API."""
    page = f"<!DOCTYPE html><html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>"
    return HTMLResponse(page, status, headers={"server": "cloudflare"})


class Broken(Response):
    """No believable answer. `how`: "drop" the connection, "timeout" for `seconds` first, or "truncated" in mid-body."""

    def __init__(self, connections: Connections, how: str, seconds: float = 60.0, content: Any = None) -> None:
        super().__init__(json.dumps(content).encode(), 201, media_type="application/json")
        self._connections = connections
        self._how = how
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Misbehave, then close the line."""
        if self._how == "truncated":
            start: Message = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await send(start)
            half = bytes(self.body)[: len(self.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            self._connections.close(scope)
        elif self._how == "timeout":
            try:
                async with asyncio.timeout(self._seconds):
                    await _gone(receive)
            except TimeoutError:
                self._connections.abort(scope)
        else:
            self._connections.abort(scope)
        await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
