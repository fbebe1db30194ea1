"""RFC 3339 text for moments that were read from a clock elsewhere. This file reads no clock."""

from __future__ import annotations

import functools
import time

_LAST = 253402300799.0
"""9999-12-31T23:59:59Z, the last second RFC 3339 can name."""


def to_rfc3339(wall: float) -> str:
    """UTC seconds since 1970 as `2026-11-22T23:55:12.123Z`, cut to milliseconds, within the years 1970-9999."""
    milliseconds = int((wall if 0.0 <= wall <= _LAST else min(max(wall, 0.0), _LAST)) * 1000)
    seconds = milliseconds // 1000
    return f"{_minute(seconds // 60)}:{seconds % 60:02d}.{milliseconds % 1000:03d}Z"


@functools.lru_cache(maxsize=1024)  # records come in bursts
def _minute(minutes: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M", time.gmtime(60 * minutes))
