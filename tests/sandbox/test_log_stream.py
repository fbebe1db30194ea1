"""A log stream on which nothing happens is not silent for long, and its heartbeat is no line of the log."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from rpd.adapters.runpod.answer import Answer
from rpd.adapters.runpod.podlog import pod_log
from rpd.adapters.sandbox.api import logs
from rpd.adapters.sandbox.cloud.model import LogLine, Pod


def test_a_silent_stream_has_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    assert logs.HEARTBEAT_SECONDS < 15.0
    monkeypatch.setattr(logs, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(logs, "_POLL_SECONDS", 0.001)
    pod = Pod(id="p", seq=1, key="", name="p", image="", created_at=0.0, log=[LogLine(0.0, 1, "pulled")])
    cloud: Any = SimpleNamespace(find=lambda pod_id: pod)

    async def first(count: int) -> bytes:
        stream = logs._events(cloud, pod, ("system",), 10, None, is_cut=False)
        return b"".join([await anext(stream) for _ in range(count)])

    received = asyncio.run(first(3))
    assert received.count(b": heartbeat\n\n") == 2
    assert pod_log(Answer(200, {}, received), 10).system == ("pulled",)


def test_a_stream_that_is_cut_ends_also_without_an_event() -> None:
    pod = Pod(id="p", seq=1, key="", name="p", image="", created_at=0.0, log=[LogLine(0.0, 1, "pulled")])
    cloud: Any = SimpleNamespace(find=lambda pod_id: pod)

    async def received(tail: int) -> bytes:
        stream = logs._events(cloud, pod, ("system",), tail, None, is_cut=True)
        async with asyncio.timeout(5):
            return b"".join([part async for part in stream])

    assert b"pulled" not in asyncio.run(received(1))
    assert asyncio.run(received(0)) == b""
