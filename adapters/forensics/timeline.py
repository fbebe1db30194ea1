"""Events of one run or many, filtered: the rows behind `rpd events`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from rpd.engine.errors import UserError

_AGE = re.compile(r"(\d+)([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def age_seconds(text: str) -> float:
    """`30s`, `5m`, `1h`, `7d` in seconds. Raises UserError."""
    found = _AGE.match(text)
    if found is None:
        raise UserError(f"{text!r} is no age", hint="30s, 5m, 1h or 7d")
    return float(found[1]) * _SECONDS[found[2]]


def conditions(words: Sequence[str]) -> list[tuple[str, str]]:
    """`KEY=VALUE` as pairs. Raises UserError."""
    pairs = []
    for word in words:
        key, found, value = word.partition("=")
        if not found or not key:
            raise UserError(f"--where {word!r} is not KEY=VALUE")
        pairs.append((key, value))
    return pairs


def select(
    rows: Iterable[dict[str, Any]], where: Sequence[tuple[str, str]], since_wall: float | None
) -> Iterator[dict[str, Any]]:
    """Rows for which every condition holds and that are not older than `since_wall` (UTC seconds). A key names a field
    of the row, or of its data: `op`, `data.reason`, `pod.id`."""
    for row in rows:
        if since_wall is not None and (wall_of(row) or 0.0) < since_wall:
            continue
        if all(_text(_lookup(row, key)) == value for key, value in where):
            yield row


def wall_of(row: dict[str, Any]) -> float | None:
    """When it happened (UTC seconds)."""
    wall = row.get("wall")
    try:
        if isinstance(wall, int | float):
            return float(wall) if math.isfinite(wall) else None
        return datetime.fromisoformat(str(row.get("ts_utc"))[:40].replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return None


def _lookup(row: dict[str, Any], key: str) -> Any:
    data = row.get("data")
    inner = data.get("data") if isinstance(data, dict) else None
    for start in (row, data, inner):
        value: Any = start
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
