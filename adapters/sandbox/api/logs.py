"""GET /v2/pods/{id}/logs: the provider's and the container's lines as server-sent events, in a stream without end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rpd.adapters.sandbox.api.answers import Broken
from rpd.adapters.sandbox.api.views import utc
from rpd.adapters.sandbox.cloud import faults
from rpd.adapters.sandbox.cloud.bodies import whole_number
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel
from rpd.adapters.sandbox.cloud.model import LogLine, Pod
from rpd.adapters.sandbox.cloud.problems import not_found, unprocessable
from rpd.adapters.sandbox.machine.container import PodFolder

_SOURCES = ("container", "system")
_DEFAULT_TAIL = 100
_MAX_TAIL = 5000
_POLL_SECONDS = 0.2
HEARTBEAT_SECONDS = 10.0
"""A line that says nothing for longer is closed by what stands between."""
_READ_AT_MOST = 4 << 20


async def stream_logs(request: Request) -> Response:
    """Backfill, then follow."""
    cloud: CloudModel = request.app.state.cloud
    pod = cloud.find(request.path_params["pod_id"])
    if pod is None:
        raise not_found("pod")
    source = request.query_params.get("source")
    if source is not None and source not in _SOURCES:
        raise unprocessable("source: value must be one of 'container', 'system'")
    tail = whole_number("tail", request.query_params.get("tail", str(_DEFAULT_TAIL)), 0, _MAX_TAIL)
    wanted = _SOURCES if source is None else (source,)
    after = request.headers.get("last-event-id") or _since(request.query_params.get("since"))
    fault = faults.strike(cloud.state, "F31", pod)
    if fault is not None and fault.get("how", "withheld") == "withheld":
        return Broken(request.app.state.connections, "timeout", 3600.0)
    events = _events(cloud, pod, wanted, tail, after, is_cut=fault is not None)
    headers = {"Cache-Control": "no-cache", "Connection": "keep-alive", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(
    cloud: CloudModel, pod: Pod, sources: tuple[str, ...], tail: int, after: str | None, *, is_cut: bool
) -> AsyncIterator[bytes]:
    seen: dict[str, int] = {}
    for source in sources:
        lines = _lines(cloud, pod, source)
        kept = lines[len(lines) - min(tail, len(lines)) :] if after is None else [x for x in lines if _id(x) > after]
        for line in kept:
            event = _event(source, line)
            if is_cut:
                yield event[: len(event) // 2]
                return
            yield event
        seen[source] = lines[-1].seq if lines else 0
    if is_cut:
        return
    spoke = time.monotonic()
    while cloud.find(pod.id) is not None:
        await asyncio.sleep(_POLL_SECONDS)
        if time.monotonic() - spoke > HEARTBEAT_SECONDS:
            spoke = time.monotonic()
            yield b": heartbeat\n\n"
        for source in sources:
            for line in _lines(cloud, pod, source):
                if line.seq > seen[source]:
                    seen[source], spoke = line.seq, time.monotonic()
                    yield _event(source, line)
    await asyncio.Event().wait()


def _lines(cloud: CloudModel, pod: Pod, source: str) -> list[LogLine]:
    if source == "system":
        return pod.log
    return _container_lines(PodFolder(path=cloud.home / "pods" / pod.id).log_file, pod)


def _container_lines(path: Path, pod: Pod) -> list[LogLine]:
    """The container's output. Its lines carry no time of their own, so they bear that of the start."""
    try:
        with path.open("rb") as file:
            text = file.read(_READ_AT_MOST).decode(errors="replace")
    except FileNotFoundError:
        return []
    moment = pod.started_at if pod.started_at is not None else pod.created_at
    complete = text[: text.rfind("\n") + 1]
    return [LogLine(ts=moment, seq=number, line=line) for number, line in enumerate(complete.splitlines(), 1)]


def _id(line: LogLine) -> str:
    return f"{utc(line.ts)}/{line.seq:012d}"


def _event(source: str, line: LogLine) -> bytes:
    data = json.dumps({"ts": utc(line.ts), "source": source, "line": line.line})
    return f"id: {_id(line)}\ndata: {data}\n\n".encode()


def _since(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return utc(datetime.fromisoformat(text).timestamp())
    except ValueError as error:
        raise unprocessable(f"since: '{text}' is not a date-time") from error
