"""The settings in force. A flag wins over the environment, then come the job file, the settings file and the default;
this module knows the second, the fourth and the last."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.local.person import expanded
from rpd.adapters.settings.file import read_settings, settings_file
from rpd.adapters.settings.keys import API_KEY, BY_NAME, KEYS, SettingKey
from rpd.engine.errors import UserError

DEFAULT = "the default"
_VARIABLE = "the environment variable "


class Settings(msgspec.Struct, frozen=True):
    """The values. `ssh_key_path` None: a pair of rpd's own. `region` None: anywhere. `image` None: the preset's.
    The API key is not here: `rpd.adapters.access.config` finds it."""

    ssh_key_path: str | None = None
    region: str | None = None
    cloud: str = "SECURE"
    preset: str = "comfyui"
    image: str | None = None
    gpus: tuple[str, ...] = ()
    hours: float = 4.0
    log_level: str = "info"


class Loaded(msgspec.Struct, frozen=True):
    """The settings, with the origin of each in words. `unknown` are keys of the file that rpd does not know."""

    settings: Settings
    origins: dict[str, str]
    file: Path | None
    unknown: tuple[str, ...] = ()

    def is_said(self, name: str) -> bool:
        """Whether somebody has set this value."""
        return self.origins[name] != DEFAULT


def load(environ: Mapping[str, str] = os.environ, file: Path | None = None) -> Loaded:
    """Read the settings. Raises UserError that names the place of a wrong value."""
    file = file or settings_file(environ)
    data = read_settings(file).data if file is not None else {}
    values: dict[str, Any] = {}
    origins = {key.name: DEFAULT for key in KEYS}
    for key in KEYS:
        found = _value(key, environ, data, file)
        if found is not None:
            values[key.name], origins[key.name] = found
    unknown = tuple(name for name in data if name not in BY_NAME and name != API_KEY)
    return Loaded(msgspec.convert(values, Settings), origins, file, unknown)


def load_one(name: str, environ: Mapping[str, str] = os.environ) -> tuple[Any, bool]:
    """One value, and whether it is the environment's, so that it wins over a job file. Wrong values of other settings
    do not matter. None if nobody has set it. Raises UserError."""
    file = settings_file(environ)
    data = read_settings(file).data if file is not None else {}
    found = _value(BY_NAME[name], environ, data, file)
    return (found[0], found[1].startswith(_VARIABLE)) if found is not None else (None, False)


def log_level() -> str:
    """The level of rpd's own log. A file that cannot be read is reported where its values are needed."""
    with contextlib.suppress(UserError):
        return str(load_one("log_level")[0] or "info")
    return "info"


def _value(
    key: SettingKey, environ: Mapping[str, str], data: Mapping[str, Any], file: Path | None
) -> tuple[Any, str] | None:
    """The strongest value of a setting, and its origin. None if nobody has set it."""
    for origin, value in _said(key, environ, data, file):
        checked = _checked(key, value, origin)
        return expanded(checked) if key.name == "ssh_key_path" else checked, origin
    return None


def _said(
    key: SettingKey, environ: Mapping[str, str], data: Mapping[str, Any], file: Path | None
) -> list[tuple[str, Any]]:
    """Who has set this key, the strongest first. An empty variable sets nothing."""
    named = environ.get(key.variable, "").strip()
    said: list[tuple[str, Any]] = [(f"{_VARIABLE}{key.variable}", named)] if named else []
    return [*said, (str(file), data[key.name])] if key.name in data else said


def _checked(key: SettingKey, value: Any, origin: str) -> Any:
    try:
        return key.read(value)
    except ValueError as error:
        raise UserError(
            f"{key.name} in {origin} {error}: {value!r}",
            reason="settings",
            hint=f"unset {key.variable}" if origin.startswith(_VARIABLE) else f"rpd config set {key.word} ...",
        ) from None
