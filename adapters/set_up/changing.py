"""`rpd config set` and `unset`: one setting."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rpd.adapters.access.config import runpodctl_file, runpodctl_key
from rpd.adapters.access.keys import named_key
from rpd.adapters.local.person import expanded
from rpd.adapters.set_up.answers import checked
from rpd.adapters.set_up.api_key import (
    KeySource,
    account_line,
    forget_if_possible,
    kept,
    read_key,
    require_keeper,
    tried,
)
from rpd.adapters.settings.file import change_settings, read_settings, require_settings_file
from rpd.adapters.settings.keyring_store import stored_key
from rpd.adapters.settings.keys import API_KEY, BY_NAME, SOURCE, SettingKey, key_named
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError


def set_value(word: str, values: Sequence[str], source: KeySource) -> int:
    """Check the value and save it. The API key is read hidden or from stdin, never from the arguments. Raises
    UserError."""
    file = require_settings_file()
    if _is_api_key(word):
        if values:
            raise UserError(
                "the API key does not go on the command line: other users see it there, and the shell keeps it",
                reason="key_in_arguments",
                hint="rpd config set api-key   asks for it; rpd config set api-key --stdin < FILE",
            )
        return _set_api_key(source, file)
    key = _known(word)
    if not values:
        raise UserError(f"{key.word} needs a value: {key.what}", hint=f"rpd config set {key.word} VALUE")
    if len(values) > 1 and key.name != "gpus":
        raise UserError(f"{key.word} takes one value", hint=f"rpd config set {key.word} '{' '.join(values)}'")
    text = ",".join(values)
    change_settings(file, _from_elsewhere(checked(key.name, text)) if key is SOURCE else {key.name: _usable(key, text)})
    _tell(f"{key.word} is saved in {file}", key.variable)
    return 0


def unset(word: str) -> int:
    """Remove a setting from the file. Raises UserError."""
    file = require_settings_file()
    name = API_KEY if _is_api_key(word) else _known(word).name
    data = read_settings(file).data
    if name == API_KEY and data.get(SOURCE.name) == "keyring":
        forget_if_possible()
        change_settings(file, {API_KEY: None, SOURCE.name: None})
    elif name in data:
        change_settings(file, {name: None})
    else:
        output.note([f"{word} is not set in {file}"])
        return 0
    variable = "RUNPOD_API_KEY" if name == API_KEY else BY_NAME[name].variable
    _tell(f"{word} is removed from {file}", variable)
    return 0


def _is_api_key(word: str) -> bool:
    return word.strip().lower().replace("-", "_") == API_KEY


def _known(word: str) -> SettingKey:
    key = key_named(word)
    if key is None:
        names = ", ".join(["api-key", *(each.word for each in BY_NAME.values())])
        raise UserError(f"there is no setting {word!r}; there are {names}", hint="rpd config show")
    return key


def _set_api_key(source: KeySource, file: Path) -> int:
    require_keeper(source)
    try:
        key = read_key(source)
    except KeyboardInterrupt:
        raise UserError("nothing was saved", exit_code=130, reason="interrupted") from None
    view = tried(key, source)
    change_settings(file, kept(key, source, file))
    where = "the system's keyring" if source.is_for_keyring else str(file)
    _tell(f"{account_line(view)}; it is saved in {where}", "RUNPOD_API_KEY")
    return 0


def _from_elsewhere(keeper: str) -> dict[str, Any]:
    """The changes that let another keeper give the key. Raises UserError if it has none."""
    if keeper == "keyring" and stored_key() is None:
        raise UserError("the system's keyring holds no key of rpd", hint="rpd config set api-key --keyring")
    if keeper == "runpodctl" and runpodctl_key(runpodctl_file()) is None:
        raise UserError(f"{runpodctl_file()} holds no key", hint="rpd config set api-key")
    return {SOURCE.name: keeper, API_KEY: None}


def _usable(key: SettingKey, text: str) -> Any:
    value = checked(key.name, text)
    if key.name != "ssh_key_path":
        return value
    path = Path(expanded(value)).absolute()
    named_key(path)
    return str(path)


def _tell(line: str, variable: str, environ: Mapping[str, str] = os.environ) -> None:
    output.note([line])
    if variable and environ.get(variable):
        output.note([f"{variable} is set in the environment, and wins"])
