"""Read JSON files that may contain anything: a worn disk, another program or another version may have changed them."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises. Text that is not UTF-8 raises no DecodeError, and text that is nested too deeply raises none
either.
"""

T = TypeVar("T")


def decode(data: bytes, kind: type[T] | Any = Any) -> T | None:
    """The value in `data`; None if that is not JSON or not of this kind."""
    try:
        found: T = msgspec.json.decode(data, type=kind)
    except NOT_JSON:
        return None
    return found
