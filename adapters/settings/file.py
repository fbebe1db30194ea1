"""The settings file: read with care, changed line by line, replaced whole.

It may hold the API key. So it has mode 0600 from its first byte, and rpd writes it through no symbolic link: the key
would end where the link leads. What a person has written there, comments and unknown lines, stays as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.local.dirs import config_home
from rpd.adapters.local.files import alone_in, make_private, read_regular, write_whole
from rpd.adapters.local.person import expanded
from rpd.adapters.settings.keys import API_KEY
from rpd.engine.errors import UserError
from rpd.states.ports.exits import Exit

LARGEST_BYTES = 1_000_000
FIRST_LINE = "# The settings of rpd. `rpd config show --origin` lists them.\n"
_TABLE = re.compile(r"\s*\[")


class SettingsFile(msgspec.Struct, frozen=True):
    """The content of the file. `mode` is None if there is no file."""

    text: str
    data: dict[str, Any]
    mode: int | None

    @property
    def is_exposed(self) -> bool:
        """Whether others may read or change the file."""
        return self.mode is not None and bool(self.mode & (stat.S_IRWXG | stat.S_IRWXO))


def settings_file(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The user's settings, TOML: $RPD_CONFIG, else `config.toml` in the platform's folder. The file may be missing.
    None for a user without a home folder."""
    named = environ.get("RPD_CONFIG", "").strip()
    if named:
        return Path(expanded(named)).absolute()
    folder = config_home()
    return folder and folder / "config.toml"


def require_settings_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The same. Raises UserError if there is no place for the file."""
    file = settings_file(environ)
    if file is None:
        raise UserError(
            "there is no place for settings: this user has no home folder, and RPD_CONFIG is not set",
            reason="no_home",
            hint="export RPD_CONFIG=/a/folder/of/yours/config.toml",
        )
    return file


def read_settings(file: Path) -> SettingsFile:
    """The file; empty if there is none. Raises UserError (2: it is not TOML, 4: it cannot be read)."""
    try:
        content = read_regular(file, LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:  # a change would lose what was not read
            raise UserError(f"{file} is larger than {LARGEST_BYTES} bytes", reason="settings")
        text = content.decode()
        mode = file.stat().st_mode
        return SettingsFile(text, tomllib.loads(text), mode)
    except FileNotFoundError:
        return SettingsFile("", {}, None)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}", exit_code=Exit.KEY, reason="key_missing") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:  # TOML's errors name the place, not the text
        raise UserError(f"{file} is not TOML: {error}", reason="settings") from error


def read_private(file: Path) -> dict[str, Any]:
    """The settings. Raises UserError (exit code 4) also if the file holds the API key and others may read it."""
    found = read_settings(file)
    if API_KEY in found.data and found.is_exposed:
        raise UserError(
            f"{file} holds your API key and others may read it",
            exit_code=Exit.KEY,
            reason="key_exposed",
            hint=f"chmod 600 {file}",
        )
    return found.data


def change_settings(file: Path, changes: Mapping[str, Any]) -> None:
    """Effect: set these keys, or remove those whose value is None, and leave the rest of the file as it is. The file is
    replaced whole, with mode 0600. Raises UserError."""
    with alone_in(_folder_for(file)):
        text = changed(read_settings(file).text, changes, file)
        write_whole(file, text.encode(), mode=0o600)


def changed(text: str, changes: Mapping[str, Any], file: Path) -> str:
    """The text with these keys changed. Raises UserError if that is not possible line by line."""
    wanted = {**tomllib.loads(text), **changes}
    wanted = {key: value for key, value in wanted.items() if value is not None}
    text = text or FIRST_LINE
    for key, value in changes.items():
        text = _with(text, key, value)
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        found = {}
    if found != wanted:
        raise UserError(f"rpd cannot change {', '.join(changes)} in {file} line by line; change it by hand")
    return text


def _with(text: str, key: str, value: Any) -> str:
    """The text with one key of the top set or removed. Keys of the top stand before the first table."""
    lines = text.splitlines(keepends=True)
    end = next((at for at, line in enumerate(lines) if _TABLE.match(line)), len(lines))
    name = re.compile(rf"\s*(['\"]?){re.escape(key)}\1\s*=")
    begin = next((at for at in range(end) if name.match(lines[at])), None)
    new = [] if value is None else [f"{key} = {_toml(value)}\n"]
    if begin is not None:
        after = begin + _length(lines[begin:])
        if new:
            new = [f"{new[0][:-1]}{_remark(lines[begin:after])}\n"]
        return "".join([*lines[:begin], *new, *lines[after:]])
    if end and new and not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], *new, *lines[end:]])


def _length(lines: list[str]) -> int:
    """How many of these lines the first assignment takes."""
    for count in range(1, len(lines) + 1):
        with contextlib.suppress(tomllib.TOMLDecodeError):
            tomllib.loads("".join(lines[:count]))
            return count
    return 1


def _remark(lines: list[str]) -> str:
    """The comment behind an assignment, with the blanks before it. Empty if there is none."""
    text = "".join(lines).rstrip()
    for found in re.finditer(r"[ \t]*#", text):  # one inside a text, or inside a list, leaves no whole assignment
        with contextlib.suppress(tomllib.TOMLDecodeError):
            tomllib.loads(text[: found.start()])
            return text[found.start() :]
    return ""


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    return json.dumps(value, ensure_ascii=False)


def _folder_for(file: Path) -> Path:
    """The folder in which the file may be written. Raises UserError."""
    folder = settings_folder(file)
    if file.is_symlink():
        raise UserError(
            f"{file} is a link to {file.resolve()}; rpd writes no settings through a link",
            reason="settings",
            hint=f"export RPD_CONFIG={file.resolve()}   (or put the file itself there)",
        )
    return folder


def settings_folder(file: Path) -> Path:
    """The folder of the file. Effect: it is made for this user alone if absent. Raises UserError if others may put
    files there."""
    folder = file.parent
    try:
        make_private(folder)
        mode = folder.stat().st_mode
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}", reason="settings") from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        raise UserError(f"others may write to the folder {folder}", reason="settings", hint=f"chmod go-w {folder}")
    return folder
