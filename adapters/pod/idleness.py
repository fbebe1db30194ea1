"""Whether a pod's GPUs do nothing, by its own samples. A sample that is missing never says that they do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rpd.adapters.pod.answers import moment
from rpd.journal import tolerant

IDLE_PCT = 3.0
"""A GPU that is busy for no more of a sample's time than this is idle: monitoring alone takes about a percent."""
GAP_INTERVALS = 3.0
"""So many intervals without a sample, and nobody knows what was between."""


def idle_seconds(text: bytes, launch: int, interval: float) -> float | None:
    """`text` is the pod's time (UTC seconds) in a line of its own, then samples, the first of them perhaps cut. The
    seconds for which every GPU of every sample of this launch has been idle, up to the newest one; None when that is
    not known. Raises ValueError when there is no time."""
    head, _, rest = text.partition(b"\n")
    now = moment(head.decode("utf-8", "replace"))
    until = since = None
    for row in reversed(_rows(rest)):
        at = _moment(row)
        if at is None or row.get("launch") != launch or not _is_idle(row):
            break
        # Neither one that is old, nor one of a clock that was set meanwhile.
        if abs((now if since is None else since) - at) > GAP_INTERVALS * interval:
            break
        until, since = until or at, at
    return None if until is None or since is None else max(0.0, until - since)


def _rows(text: bytes) -> list[dict[str, Any]]:
    rows: list[Any] = [tolerant.decode(line) for line in text.split(b"\n") if line]
    return [row for row in rows if isinstance(row, dict)]


def _is_idle(row: dict[str, Any]) -> bool:
    gpus = row.get("gpus")
    if not isinstance(gpus, Sequence) or not gpus:
        return False
    uses = [gpu.get("util_pct") if isinstance(gpu, dict) else None for gpu in gpus]
    return all(isinstance(use, int | float) and use is not True and 0.0 <= use <= IDLE_PCT for use in uses)


def _moment(row: dict[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(str(row.get("ts_utc"))).timestamp()
    except (ValueError, OverflowError):
        return None
