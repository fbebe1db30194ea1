"""How much outside data goes into one record (64 KiB), in the bytes that it takes there. Only whole items are kept. The
journal itself cuts texts, after it has masked the secrets in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from rpd.journal.size import encoded_bytes

T = TypeVar("T")
TAIL_BYTES = 16 * 1024
"""The last output of a command."""
LIST_BYTES = 32 * 1024
"""A list of things that were found."""
JOB_BYTES = 60 * 1024
"""A whole job. Record 0 holds it, and each intent holds a part of it, beside other data."""
NAMED_MAX = 20
"""How many items of a list a sentence names."""


def first_that_fit(items: Sequence[T], most: int = LIST_BYTES) -> tuple[T, ...]:
    """The first items that together take up to `most` bytes; at least one."""
    room, count = most, 0
    for item in items:
        room -= size_of(item)
        if room < 0 and count:
            break
        count += 1
    return tuple(items[:count])


def last_that_fit(items: Sequence[T], most: int) -> tuple[T, ...]:
    """The last items that together take up to `most` bytes; at least one."""
    return first_that_fit(items[::-1], most)[::-1]


def listed(texts: Sequence[str], between: str = "; ") -> str:
    """A list in a sentence, and how many more there are."""
    more = len(texts) - NAMED_MAX
    return between.join([*texts[:NAMED_MAX], *([f"and {more} more"] if more > 0 else [])])


def size_of(item: Any) -> int:
    """Bytes in a record, with the separators between the items."""
    if isinstance(item, str):
        return encoded_bytes(item) + 3
    if isinstance(item, dict):
        return 2 + sum(size_of(name) + size_of(value) for name, value in item.items())
    if isinstance(item, list | tuple):
        return 3 + sum(map(size_of, item))
    if isinstance(item, msgspec.Struct):
        return size_of(msgspec.to_builtins(item))
    return len(repr(item)) + 1
