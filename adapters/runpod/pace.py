"""The pace of requests: the waits that rate headers and failures ask for, in seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

LOW_WATER = 5
"""If fewer requests are left in the minute, the next request waits."""
BREATH_CAP = 10.0
BACKOFF_FIRST = 0.5
BACKOFF_CAP = 8.0
UNTOLD_RATE_WAIT = 5.0
"""The wait after a 429 that does not say how long."""

_WINDOW = re.compile(r'"(?P<name>[a-z]+)"(?P<members>[^,"]*)')
_MEMBER = re.compile(r";\s*(?P<key>[rt])\s*=\s*(?P<value>\d{1,9})")


class Window(NamedTuple):
    """One quota: requests remaining, and seconds until it is filled again."""

    name: str
    remaining: int
    resets_in: float


def windows(header: str | None) -> tuple[Window, ...]:
    """The quotas in a `RateLimit` header. Unreadable ones are left out."""
    found = []
    for match in _WINDOW.finditer(header or ""):
        members = {m["key"]: int(m["value"]) for m in _MEMBER.finditer(match["members"])}
        if "r" in members:
            found.append(Window(match["name"], members["r"], float(members.get("t", 0))))
    return tuple(found)


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """How long a 429 or 503 asks to wait: the longest of `Retry-After` and the resets of exhausted quotas."""
    waits = [window.resets_in for window in windows(headers.get("ratelimit")) if window.remaining == 0]
    asked_seconds = _retry_after(headers)
    if asked_seconds is not None:
        waits.append(asked_seconds)
    return max(waits, default=None)


def breath(headers: Mapping[str, str]) -> float:
    """The pause before the next request: zero while there is room in the minute, then ever longer."""
    for window in windows(headers.get("ratelimit")):
        if window.name == "minute" and window.remaining < LOW_WATER:
            return min(BREATH_CAP, window.resets_in / (window.remaining + 1))
    return 0.0


def backoff(attempt: int, draw: float) -> float:
    """The pause after failed attempt number `attempt` (from 1). `draw` in [0, 1) spreads it between half and whole."""
    whole = min(BACKOFF_CAP, BACKOFF_FIRST * 2.0 ** (attempt - 1))
    return whole * (0.5 + draw / 2)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, or a date measured against the answer's own `Date` (our clock may be wrong)."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", value):
        return float(value)
    try:
        until, sent = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError):
        return None
