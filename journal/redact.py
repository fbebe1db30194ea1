"""Secrets: a holder that never shows its value, and the filter that keeps values out of everything written."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus

MASK = "***"
SECRET_CHARACTERS_MIN = 6
"""Shorter values are not looked for: masking them would eat ordinary text, and they protect nothing."""


COMPARED_MAX = 200
"""Of more forms it is not found out which are parts of others: that takes the square of their number."""


class Secret:
    """A value that prints as `***`. Only `reveal` gives it away; it cannot be pickled or encoded."""

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
    """Knows the live secrets of one process and replaces them in text, in whichever usual disguise they stand: as they
    are, base64 (also inside a longer encoding), URL-quoted, JSON-escaped, quoted for a shell, hexadecimal."""

    def __init__(self, *secrets: Secret) -> None:
        self._forms: set[str] = set()
        self._shortest: tuple[str, ...] = ()
        self._finder: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: Secret) -> None:
        """Look for these, too. Each line of a value of several lines counts by itself."""
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

    def mask(self, text: str) -> str:
        """`text` with every secret replaced by `***`."""
        return self._finder.sub(MASK, text) if self._finder is not None else text

    def mask_data(self, value: Any) -> Any:
        """The same for plain data (dict, list, tuple, str, numbers), in keys and values."""
        finder = self._finder
        if finder is None:
            return value

        def masked(value: Any) -> Any:  # every record passes through here
            kind = type(value)
            if kind is str:
                return value if len(value) < SECRET_CHARACTERS_MIN else finder.sub(MASK, value)
            if kind is dict:
                return {masked(key): masked(item) for key, item in value.items()}
            if kind is list or kind is tuple:
                return [masked(item) for item in value]
            if kind is int or kind is float or kind is bool or value is None:
                return value
            return masked(str(value)) if isinstance(value, str) else value

        return masked(value)


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
    """The characters that depend on the value alone when `offset` other bytes stand before it and anything follows."""
    first = -(-offset * 8 // 6)
    last = (offset + length) * 8 // 6
    return encoded[first:last]
