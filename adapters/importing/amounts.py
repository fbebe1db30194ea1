"""Amounts as other tools write them: sizes, ranges, times."""

from __future__ import annotations

import math
import re

_SIZE = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)\s*(?P<unit>[KMGTP]?)(i?B)?\Z", re.IGNORECASE)
_GB = {"K": 1e-6, "M": 1e-3, "": 1.0, "G": 1.0, "T": 1e3, "P": 1e6}
_TIME = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)\s*(?P<unit>[smhdw]?)\Z", re.IGNORECASE)
_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0, "d": 1440.0, "w": 10080.0}


def least(text: str) -> str:
    """The lower end of `16..`, `16..64`, `16+`, `16` or `..64`. The last one has none: empty."""
    return text.strip().partition("..")[0].strip().rstrip("+")


def most(text: str) -> str:
    """The upper end. Empty if there is none."""
    low, dots, high = text.strip().partition("..")
    return high.strip() if dots else ("" if low.endswith("+") else low)


def gigabytes(text: str) -> int | None:
    """Whole GB, rounded up, of `24GB`, `1.5TB`, `1024MB` or `256`. None for anything else, also for no text."""
    match = _SIZE.match(text.strip())
    if match is None:
        return None
    return math.ceil(float(match["number"]) * _GB[match["unit"].upper()]) or None


def whole(text: str) -> int | None:
    """A whole number above 0, rounded up. None for anything else."""
    try:
        return math.ceil(float(text)) if 0 < float(text) < 1e9 else None
    except ValueError:
        return None


def minutes(text: str, unit: str = "s") -> float | None:
    """Minutes of `30s`, `5m`, `24h`, `7d`; a bare number is in `unit`. None for anything else, also for no text."""
    match = _TIME.match(text.strip())
    found = float(match["number"]) * _MINUTES[(match["unit"] or unit).lower()] if match is not None else 0.0
    return found or None
