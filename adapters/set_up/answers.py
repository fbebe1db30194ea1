"""The answers to the questions of `rpd config init`, as far as flags, the environment or the file give them."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.adapters.set_up.api_key import KeySource
from rpd.adapters.settings.keys import key_named
from rpd.engine.errors import UserError


class Answers(msgspec.Struct, frozen=True):
    """`values` are settings that flags gave, as text, by name. `imports` names tools to take over from. `is_silent`:
    nothing is asked."""

    key: KeySource = KeySource()
    values: dict[str, Any] = {}
    imports: tuple[str, ...] = ()
    is_silent: bool = False


def checked(name: str, text: Any) -> Any:
    """The value of one setting. Raises UserError with the words for it."""
    key = key_named(name)
    assert key is not None, name
    try:
        return key.read(text)
    except ValueError as error:
        raise UserError(f"{key.word} {text!r} {error}", hint=f"{key.word}: {key.what}") from None
