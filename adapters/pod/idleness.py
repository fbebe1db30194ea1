"""Whether a pod is idle, by its own samples: its GPUs, its processor, its disk and its network do nothing, and the
job's log is silent. A missing sample never counts as idle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeGuard

from rpd.adapters.pod.answers import moment
from rpd.adapters.pod.scripts import SAMPLES_BYTES
from rpd.journal import tolerant

TRICKLE = 64 * 1024.0
"""Bytes per second that an idle pod moves, because rpd watches it and it samples itself."""
GAP_INTERVALS = 3.0
"""After this many intervals without a sample, the time between two samples is not known."""

Row = dict[str, Any]


def idle_seconds(
    text: bytes, launch: int, interval: float, *, threshold_pct: float, grace_seconds: float
) -> float | None:
    """How long, in seconds, this launch has been idle up to the newest sample; None if that is not known. `text` is the
    pod's time (UTC seconds) in a separate line, then samples, the first of which may be cut.

    A GPU, or one core of the processor, is idle if it is busy for at most `threshold_pct` percent of the time. Before
    the launch has used a GPU, `grace_seconds` from its first sample on do not count. Raises ValueError if there is no
    time.
    """
    head, _, rest = text.partition(b"\n")
    now = moment(head.decode("utf-8", "replace"))
    rows = [row for row in _rows(rest) if row.get("launch") == launch]
    later: Row | None = None
    until = since = None
    for row in reversed(_rows(rest)):
        at = _moment(row)
        if at is None or row.get("launch") != launch or not _is_idle(row, threshold_pct):
            break
        # Stop at an old sample, and at a sample of a clock that was set meanwhile.
        if abs((now if since is None else since) - at) > GAP_INTERVALS * interval:
            break
        if later is not None and not _is_quiet(row, later, max(1.0, (since or at) - at)):
            break
        until, since, later = until or at, at, row
    if until is None or since is None:
        return None
    begun = _moment(rows[0])
    # If the first samples of a launch are no longer here, its grace is long over.
    is_whole = len(rest) < SAMPLES_BYTES
    if is_whole and begun is not None and not any(_has_used_a_gpu(row, threshold_pct) for row in rows):
        since = max(since, begun + grace_seconds)
    return max(0.0, until - since)


def _rows(text: bytes) -> list[Row]:
    rows: list[Any] = [tolerant.decode(line) for line in text.split(b"\n") if line]
    return [row for row in rows if isinstance(row, dict)]


def _uses(row: Row) -> list[Any]:
    gpus = row.get("gpus")
    if not isinstance(gpus, Sequence):
        return []
    return [gpu.get("util_pct") if isinstance(gpu, dict) else None for gpu in gpus]


def _is_idle(row: Row, threshold_pct: float) -> bool:
    """Whether every GPU and the processor are idle, with all values known."""
    uses = [*_uses(row), _number(row, "cpu_cores", 100.0)]
    return len(uses) > 1 and all(_is_number(use) and 0.0 <= use <= threshold_pct for use in uses)


def _has_used_a_gpu(row: Row, threshold_pct: float) -> bool:
    return any(_is_number(use) and use > threshold_pct for use in _uses(row))


def _is_quiet(row: Row, later: Row, seconds: float) -> bool:
    """Whether next to nothing was moved between two samples, and nothing was printed. A value that is unknown in either
    sample does not count, because a kernel need not count what a process reads and writes."""
    moved = [_grown(row, later, name) for name in ("disk_io_bytes", "net_rx_bytes", "net_tx_bytes")]
    return all(each is None or each <= TRICKLE * seconds for each in moved) and not _grown(row, later, "log_bytes")


def _grown(row: Row, later: Row, name: str) -> float | None:
    before, after = _number(row, name), _number(later, name)
    # A counter that went back started anew: the counted process is gone, or the log was replaced.
    return None if before is None or after is None or after < before else after - before


def _number(row: Row, name: str, factor: float = 1.0) -> float | None:
    value = row.get(name)
    return value * factor if _is_number(value) else None


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _moment(row: Row) -> float | None:
    try:
        return datetime.fromisoformat(str(row.get("ts_utc"))).timestamp()
    except (ValueError, OverflowError):
        return None
