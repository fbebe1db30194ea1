"""The logs of a pod, the provider's about it and its container's own: a stream of server-sent events, cut wherever we
stopped listening."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rpd.adapters.runpod.answer import Answer
from rpd.states.ports.world import PodLog

LINE_LIMIT = 400


class _Event(msgspec.Struct):
    line: str | None = None
    source: str | None = None


def pod_log(answer: Answer, count: int) -> PodLog:
    """The last `count` lines of each source, oldest first, made safe for a terminal."""
    lines: dict[bool, list[str]] = {True: [], False: []}
    for event in _events(answer.body):
        if event.line and (line := answer.shown(event.line, LINE_LIMIT)):
            lines[event.source == "container"].append(line)
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
