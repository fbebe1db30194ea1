"""Numbers and times as people read them, and text from elsewhere made safe for a terminal."""

from __future__ import annotations

import math
import re
import time
from datetime import datetime

UNKNOWN = "?"
"""The text for a value that is not a number: a pod or a journal may say anything."""

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # escape sequences, whole
    # Controls, line separators, changes of direction: they make a line show other words than it holds.
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


def clean(text: str) -> str:
    """Text of a journal, a pod or the cloud without control characters and escape sequences."""
    return _CONTROL.sub("", text)


def one_line(text: str) -> str:
    """The same in one line, so that no text from elsewhere can look like a line of ours."""
    first, *more = text.splitlines() or [""]
    return clean(" ".join([first, *(line.strip() for line in more if line.strip())]))


def in_encoding(text: str, encoding: str | None) -> str:
    """The text as far as a stream of this encoding can show it; `?` stands for the rest."""
    named = encoding or "utf-8"
    return text.encode(named, "replace").decode(named)


def money(usd: float) -> str:
    """Dollars. Small amounts keep two significant digits."""
    if usd < 0:
        return f"-{money(-usd)}"
    if usd == 0 or usd >= 0.01:
        return f"${usd:,.2f}"
    return f"${usd:.4f}"


def rate(usd_per_hour: float) -> str:
    """Dollars per hour."""
    return f"{money(usd_per_hour)}/h"


def duration(seconds: float) -> str:
    """`8.4 s`, `3 m 12 s`, `2 h 05 m`, `3 d 4 h`."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def size(count: int) -> str:
    """Bytes in powers of 1000."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("the loop returns")


def clock(wall: float) -> str:
    """A moment in UTC, with the day if it is not within 12 hours."""
    form = "%H:%MZ" if abs(wall - time.time()) < 43200 else "%Y-%m-%d %H:%MZ"
    return _in_utc(form, wall)


def utc(wall: float) -> str:
    """RFC 3339, to the second."""
    return _in_utc("%Y-%m-%dT%H:%M:%SZ", wall)


def local_minute(text: str | None) -> str:
    """A moment of RFC 3339 to the minute, in the reader's own time and with its zone; `?` for anything else."""
    try:
        moment = datetime.fromisoformat((text or "").replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError, OSError):
        return UNKNOWN
    return moment.strftime("%Y-%m-%d %H:%M ") + (moment.tzname() or moment.strftime("%z"))


def plural(count: int, noun: str) -> str:
    """`1 file`, `3 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _in_utc(form: str, wall: float) -> str:
    try:
        return time.strftime(form, time.gmtime(wall))
    except (OverflowError, ValueError, OSError):
        return UNKNOWN
