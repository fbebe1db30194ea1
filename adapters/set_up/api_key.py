"""An API key on its way into the settings: typed hidden, or from a file or stdin; tried with a real call; then kept in
the file or in the system's keyring. It never stands in the arguments of a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.access.config import api_key, cloud_profile
from rpd.adapters.local.files import read_regular
from rpd.adapters.report.words import money, plural
from rpd.adapters.set_up.account import AccountView, look_at, refused
from rpd.adapters.settings.file import read_settings
from rpd.adapters.settings.keyring_store import forget_key, store_key, stored_key
from rpd.adapters.settings.keys import API_KEY, SOURCE
from rpd.adapters.terminal import output
from rpd.adapters.terminal.prompting import can_prompt, hidden
from rpd.engine.errors import RpdError, UserError
from rpd.journal.redact import Secret
from rpd.states.ports.exits import Exit

WHERE_TO_MAKE = "https://console.runpod.io/user/settings"
UNCHECKED = "--unchecked saves it without asking"
_MOST_BYTES = 4096


class KeySource(msgspec.Struct, frozen=True):
    """Where the key comes from, as flags say it."""

    file: Path | None = None
    is_stdin: bool = False
    is_for_keyring: bool = False
    is_unchecked: bool = False

    @property
    def is_said(self) -> bool:
        """Whether a flag names a source."""
        return self.file is not None or self.is_stdin


def require_keeper(source: KeySource) -> None:
    """Raises UserError if the key is for a keyring and there is none that works. Nobody should answer questions before
    that is told."""
    if source.is_for_keyring:
        stored_key()


def read_key(source: KeySource) -> Secret:
    """The key of this source; without one, typed at the terminal or read from stdin. Raises UserError."""
    if source.file is not None and source.is_stdin:
        raise UserError("the key comes from one place: --api-key-file or --api-key-stdin")
    if source.file is not None:
        return _usable(_from_file(source.file), str(source.file))
    if not source.is_stdin and can_prompt():
        return _usable(hidden("API key (it is not shown):"), "what was typed")
    return _usable(sys.stdin.readline(), "stdin")


def tried(key: Secret, source: KeySource, environ: Mapping[str, str] = os.environ) -> AccountView | None:
    """What the account says to this key. None if it was not to be asked. Raises UserError: with 4 for a key that is
    refused, with 6 if nobody answers."""
    if source.is_unchecked:
        return None
    profile = cloud_profile(environ)
    try:
        return look_at(profile, key)
    except UserError:
        raise
    except RpdError as error:
        known = refused(error)
        if known is not None:
            raise known from error
        raise UserError(
            f"the key was not saved, because it could not be tried: {error.message}",
            exit_code=Exit.NO_CAPACITY,
            reason=error.reason,
            hint=f"the same command again, later; {UNCHECKED}",
        ) from error


def account_line(view: AccountView | None) -> str:
    """What a tried key has shown, for people."""
    if view is None:
        return "the key was not tried"
    left = f"; balance {money(view.balance.usd)}" if view.balance is not None else ""
    known = f"; {plural(len(view.ssh_keys), 'SSH key')} registered" if view.ssh_keys is not None else ""
    return f"the key works{left}{known}"


def kept(key: Secret, source: KeySource, file: Path) -> dict[str, Any]:
    """The changes of the settings file that keep this key. Effect: a key for the keyring is stored there first; one
    that goes into the file replaces it there."""
    if source.is_for_keyring:
        store_key(key)
        return {API_KEY: None, SOURCE.name: "keyring"}
    if read_settings(file).data.get(SOURCE.name) == "keyring":
        forget_if_possible()
    return {API_KEY: key.reveal(), SOURCE.name: None}


def forget_if_possible() -> None:
    """Effect: remove the key from the keyring. One that does not work is often why a person turns away from it, so
    that is told, and is no error."""
    try:
        forget_key()
    except UserError as error:
        output.note([f"{error.message}; a key may still be in it"])


def _from_file(file: Path) -> str:
    try:
        return read_regular(file, _MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"cannot read the API key in {file}: {said}", reason="usage") from None


def _usable(text: str, source: str) -> Secret:
    if not text.strip():
        raise UserError(f"there is no API key in {source}", reason="key_missing", hint=f"make one: {WHERE_TO_MAKE}")
    return api_key(text.strip(), source).secret
