"""Secrets: a holder that never shows its value, and the filter that keeps the values out of everything
that is written.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus

MASK = "***"
SECRET_CHARACTERS_MIN = 6
"""Shorter values are not searched for: masking them would destroy ordinary text, and they protect nothing."""
SCATTERED_CHARACTERS_MIN = 8
"""A shorter secret is not searched for across line ends: columns of ordinary words would contain it by chance."""
COMPARED_MAX = 200
"""If there are more forms than this, rpd does not check which forms are parts of others: that takes the square of their
number.
"""
REST_CHARACTERS_MAX = 4096
"""If a cut has divided a secret, parts of up to this length are searched for at either end."""

_heard: set[Secret] = set()

_NOISE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])"
    r"|[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""What may stand between the characters of a secret and be invisible to a reader: line ends, escape sequences, other
controls.
"""


class Secret:
    """A value that prints as `***`. Only `reveal` returns it. It cannot be pickled or encoded."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be stored")


class Redactor:
    """Knows the live secrets of one process and replaces them in text, in each of their usual forms: as they are,
    base64 (also inside a longer encoding), URL-quoted, JSON-escaped, quoted for a shell, hexadecimal.
    """

    def __init__(self, *secrets: Secret) -> None:
        self._forms: set[str] = set()
        self._shortest: tuple[str, ...] = ()
        self._finder: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: Secret) -> None:
        """Search for these, too. Each line of a value of several lines counts by itself."""
        _heard.update(secrets)
        for value in (secret.reveal() for secret in secrets):
            for part in {value, value.strip(), *(line.strip() for line in value.splitlines())}:
                if len(part) >= SECRET_CHARACTERS_MIN:
                    self._forms |= _forms(part)
        self._shortest = tuple(self._forms)
        if len(self._forms) <= COMPARED_MAX:
            self._shortest = tuple(
                form for form in self._forms if not any(other in form for other in self._forms if other != form)
            )
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._finder = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def is_in(self, text: str) -> bool:
        """Whether `text` holds a secret."""
        return any(map(text.__contains__, self._shortest))  # every record passes here

    def mask(self, text: str, *, is_cut: bool = False) -> str:
        """`text` with every secret replaced by `***`, also a secret that spans several lines. `is_cut`: the text was
        already cut at its ends elsewhere, so a part of a secret may stand there.

        Cut a text only after this call: the rest of a secret that was cut is not found.
        """
        if self._finder is None:
            return text
        text = _without_scattered(self._finder, self._finder.sub(MASK, text))
        return self._without_rests(text) if is_cut else text

    def mask_bytes(self, text: bytes, *, is_cut: bool = False) -> bytes:
        """The same for bytes that should be UTF-8. Other bytes stay as they are."""
        masked = self.mask(text.decode("utf-8", "surrogateescape"), is_cut=is_cut)
        return masked.encode("utf-8", "surrogateescape")

    def mask_data(self, value: Any) -> Any:
        """The same for plain data (dict, list, tuple, str, numbers), in keys and values."""
        finder = self._finder
        if finder is None:
            return value

        def masked(value: Any) -> Any:  # every record passes through here
            kind = type(value)
            if kind is str:
                if len(value) < SECRET_CHARACTERS_MIN:
                    return value
                return _without_scattered(finder, finder.sub(MASK, value))
            if kind is dict:
                return {masked(key): masked(item) for key, item in value.items()}
            if kind is list or kind is tuple:
                return [masked(item) for item in value]
            if kind is int or kind is float or kind is bool or value is None:
                return value
            return masked(str(value)) if isinstance(value, str) else value

        return masked(value)

    def _without_rests(self, text: str) -> str:
        """`text` without a part of a secret at its beginning, at its end, or as the whole text."""
        if len(text) >= SECRET_CHARACTERS_MIN and any(text in form for form in self._forms):
            return MASK
        head = max((_overlap(form, text) for form in self._forms), default=0)
        text = MASK + text[head:] if head else text
        tail = max((_overlap(text, form) for form in self._forms), default=0)
        return text[: len(text) - tail] + MASK if tail else text


def heard() -> tuple[Secret, ...]:
    """Every secret that any redactor of this process has learned."""
    return tuple(_heard)


def _overlap(before: str, after: str) -> int:
    """How many characters at the end of `before` are the beginning of `after`; 0 if too few to be a part
    of a secret.
    """
    before, after = before[-REST_CHARACTERS_MAX:], after[:REST_CHARACTERS_MAX]
    at = before.find(after[:SECRET_CHARACTERS_MIN]) if len(after) >= SECRET_CHARACTERS_MIN else -1
    while at >= 0:
        if after.startswith(before[at:]):
            return len(before) - at
        at = before.find(after[:SECRET_CHARACTERS_MIN], at + 1)
    return 0


def _without_scattered(finder: re.Pattern[str], text: str) -> str:
    """`text` without secrets whose characters are separated by invisible characters."""
    if _NOISE.search(text) is None:
        return text
    pieces: list[str] = []
    starts: list[int] = []  # start of each piece in the text without noise
    shifts: list[int] = []  # from there to its place in `text`
    at = length = 0
    for end, following in [*((noise.start(), noise.end()) for noise in _NOISE.finditer(text)), (len(text), 0)]:
        if end > at:
            pieces.append(text[at:end])
            starts.append(length)
            shifts.append(at - length)
            length += end - at
        at = following

    def place(index: int) -> int:
        return index + shifts[bisect_right(starts, index) - 1]

    kept, at = [], 0
    for found in finder.finditer("".join(pieces)):
        if found.end() - found.start() >= SCATTERED_CHARACTERS_MIN:
            kept += [text[at : place(found.start())], MASK]
            at = place(found.end() - 1) + 1
    return "".join([*kept, text[at:]])


def _forms(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogateescape")
    escaped = json.dumps(value)[1:-1]
    forms = {
        value,
        escaped,
        json.dumps(escaped)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        escaped.replace("/", "\\/"),
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        quote(raw, safe="").lower(),
        raw.hex(),
        raw.hex().upper(),
        value.replace("'", "'\"'\"'"),  # as shlex quotes
        value.replace("'", r"'\''"),
        re.sub(r"([^\w@%+=:,./-])", r"\\\1", value),  # as printf %q does
    }
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms.add(encode(raw).decode())
        forms.add(encode(raw).decode().rstrip("="))
        forms |= {_inside(encode(bytes(offset) + raw).decode(), offset, len(raw)) for offset in range(3)}
    return {form for form in forms if len(form) >= SECRET_CHARACTERS_MIN}


def _inside(encoded: str, offset: int, length: int) -> str:
    """The characters that depend on the value alone if `offset` other bytes stand before it and anything follows."""
    first = -(-offset * 8 // 6)
    last = (offset + length) * 8 // 6
    return encoded[first:last]
