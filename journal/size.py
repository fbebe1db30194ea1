"""How many bytes a text takes in a record, and how to cut texts to fit. All but plain ASCII is escaped there: one
character may take twelve bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec


def encoded_bytes(text: str) -> int:
    """Bytes of `text` in a record, without its quotes."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()  # as the codec spells out lone surrogates
    wide = sum(6 if each < "\U00010000" else 12 for each in text if each > "\x7f")
    narrow = text if not wide else "".join(each for each in text if each <= "\x7f")
    return len(msgspec.json.encode(narrow)) - 2 + wide


def cut(text: str, most: int) -> str:
    """The beginning of `text` that takes `most` bytes in a record, and how much is left out. If `text` fits, it is
    returned unchanged.
    """
    if encoded_bytes(text[: most + 1]) <= most:
        return text
    fits, too_long = 0, most + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if encoded_bytes(text[:middle]) <= most:
            fits = middle
        else:
            too_long = middle
    return f"{text[:fits]} [{len(text) - fits} characters cut]"


def cut_all(value: Any, most: int) -> Any:
    """Plain data with every text in it cut. The names in it stay as they are."""
    if isinstance(value, str):
        return cut(value, most)
    if isinstance(value, dict):
        return {name: cut_all(item, most) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [cut_all(item, most) for item in value]
    return value
