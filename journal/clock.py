"""RFC 3339 text for moments that somebody else read from a clock. Nothing here reads one."""

from __future__ import annotations

import calendar
import functools
import re
import time

_LAST = 253402300799.0
"""9999-12-31T23:59:59Z, the last second RFC 3339 can name."""
_PATTERN = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))\Z")


def to_rfc3339(wall: float) -> str:
    """UTC seconds since 1970 as `2026-11-22T23:55:12.123Z`, cut to milliseconds, within the years 1970-9999."""
    milliseconds = int((wall if 0.0 <= wall <= _LAST else min(max(wall, 0.0), _LAST)) * 1000)
    seconds = milliseconds // 1000
    return f"{_minute(seconds // 60)}:{seconds % 60:02d}.{milliseconds % 1000:03d}Z"


@functools.lru_cache(maxsize=1024)  # records come in bursts
def _minute(minutes: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M", time.gmtime(60 * minutes))


def from_rfc3339(text: str) -> float:
    """The moment named by `text` in UTC seconds since 1970. Raises ValueError when it names none."""
    match = _PATTERN.match(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    day, clock, fraction, sign, hours, minutes = match.groups()
    wall = calendar.timegm(time.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S")) + float(fraction or 0)
    if sign is None:
        return wall
    offset = 3600 * int(hours) + 60 * int(minutes)
    return wall - offset if sign == "+" else wall + offset
