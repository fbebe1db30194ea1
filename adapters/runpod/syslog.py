"""The provider's log about a pod: a stream of server-sent events, cut wherever we stopped listening."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rpd.adapters.runpod.answer import Answer

LINE_LIMIT = 400


class _Event(msgspec.Struct):
    line: str | None = None
    source: str | None = None


def system_lines(said: Answer, count: int) -> tuple[str, ...]:
    """The last `count` lines of source `system`, oldest first, made safe for a terminal."""
    told = (event.line for event in _events(said.body) if event.line and event.source != "container")
    lines = [said.shown(line, LINE_LIMIT) for line in told]
    return tuple(line for line in lines if line)[-count:] if count > 0 else ()


def _events(stream: bytes) -> Iterator[_Event]:
    """Whole events only: the last one may be cut. Those that cannot be read are left out."""
    text = stream.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    blocks = text.split("\n\n")
    for block in blocks[:-1]:
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        try:
            yield msgspec.json.decode("\n".join(data), type=_Event)
        except (msgspec.DecodeError, RecursionError):
            continue
