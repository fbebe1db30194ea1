"""The logs of a pod, the provider's about it and its container's own: a stream of server-sent events, cut wherever we
stopped listening."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rpd.adapters.runpod.answer import Answer
from rpd.states.ports.world import PodLog

LINE_LIMIT = 400


class LogEvent(msgspec.Struct, frozen=True):
    """One line, masked and made safe for a terminal. `ts` is when it was written (RFC 3339), as the provider says."""

    line: str
    source: str
    ts: str | None = None


class _Event(msgspec.Struct):
    line: str | None = None
    source: str | None = None
    ts: str | None = None


def log_events(said: Answer) -> tuple[LogEvent, ...]:
    """All lines of the stream, oldest first."""
    told = ((event, said.shown(event.line, LINE_LIMIT)) for event in _events(said.body) if event.line)
    return tuple(LogEvent(line, event.source or "system", event.ts) for event, line in told if line)


def pod_log(answer: Answer, count: int) -> PodLog:
    """The last `count` lines of each source, oldest first, made safe for a terminal."""
    lines: dict[bool, list[str]] = {True: [], False: []}
    for event in log_events(answer):
        lines[event.source == "container"].append(event.line)
    kept = {is_own: tuple(each[-count:]) if count > 0 else () for is_own, each in lines.items()}
    return PodLog(kept[False], kept[True])


def _events(stream: bytes) -> Iterator[_Event]:
    """Whole events only, because the last one may be cut. Unreadable events are left out."""
    text = stream.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    blocks = text.split("\n\n")
    for block in blocks[:-1]:
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        try:
            yield msgspec.json.decode("\n".join(data), type=_Event)
        except (msgspec.DecodeError, RecursionError):
            continue
