"""The settings: their names, the variables of the environment that win over them, and what a value may be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

LOG_LEVELS = ("debug", "info", "warning", "error", "off")
CLOUDS = ("SECURE", "COMMUNITY")
KEY_SOURCES = ("keyring", "runpodctl")
_LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}\Z")


class SettingKey(msgspec.Struct, frozen=True):
    """One setting. `name` is its name in the file, `variable` the environment's (empty: none). `read` takes the value
    of the file or the text of a person, and raises ValueError with the end of a sentence about a wrong one."""

    name: str
    variable: str
    what: str
    read: Callable[[Any], Any]

    @property
    def word(self) -> str:
        """Its name on the command line."""
        return self.name.replace("_", "-")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is not text")
    if not value.isprintable():
        raise ValueError("holds a line break or another control character")
    return value.strip()


def _one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        known = {word.lower(): word for word in words}
        found = known.get(_text(value).lower())
        if found is None:
            raise ValueError(f"is none of {', '.join(word.lower() for word in words)}")
        return found

    return read


def _label(value: Any) -> str:
    if not _LABEL.match(text := _text(value)):
        raise ValueError("is no name of a preset: small letters, digits and -")
    return text


def _list(value: Any) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise ValueError("is no list of names")
    return list(dict.fromkeys(_text(part) for part in parts if part != ""))


def _hours(value: Any) -> float:
    try:
        hours = float(value)
    except (TypeError, ValueError):
        raise ValueError("is no number of hours") from None
    if isinstance(value, bool) or not (math.isfinite(hours) and 0 < hours <= 24 * 365):
        raise ValueError("is no number of hours above 0")
    return hours


KEYS: tuple[SettingKey, ...] = (
    # Its name must not look like that of a secret: secrets of the environment are masked in every record.
    SettingKey("ssh_key_path", "RPD_SSH_KEY_PATH", "private SSH key; without one, a pair of rpd's own", _text),
    SettingKey("region", "RPD_REGION", "where pods are rented: a region, a country or a data center", _text),
    SettingKey("cloud", "RPD_CLOUD", "secure or community", _one_of(CLOUDS)),
    SettingKey("preset", "RPD_PRESET", "what rpd connect starts", _label),
    SettingKey("image", "RPD_IMAGE", "image for rpd connect, in place of the preset's", _text),
    SettingKey("gpus", "RPD_GPUS", "favourite GPU types, shown first", _list),
    SettingKey("hours", "RPD_HOURS", "hours after which the pod of rpd connect is stopped", _hours),
    SettingKey("log_level", "RPD_LOG_LEVEL", "debug, info, warning, error or off", _one_of(LOG_LEVELS)),
)
SOURCE = SettingKey("api_key_from", "", "keyring or runpodctl: who keeps the API key", _one_of(KEY_SOURCES))
API_KEY = "api_key"
BY_NAME = {key.name: key for key in (*KEYS, SOURCE)}


def key_named(word: str) -> SettingKey | None:
    """The setting with this name, as a person writes it."""
    return BY_NAME.get(word.strip().lower().replace("-", "_"))
