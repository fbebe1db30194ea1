"""JSON that may be anything: files that a worn disk, another program or another version may have changed."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises: text that is no UTF-8 is no DecodeError, and neither is one that is nested without end."""

T = TypeVar("T")


def decode(data: bytes, kind: type[T] | Any = Any) -> T | None:
    """The value in `data`; None when that is not JSON or not of this kind."""
    try:
        found: T = msgspec.json.decode(data, type=kind)
    except NOT_JSON:
        return None
    return found
