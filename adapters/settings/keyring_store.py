"""The API key in the system's keyring. The package `keyring` is optional, and is loaded only if a person asked for
it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rpd.engine.errors import UserError
from rpd.journal.redact import Secret
from rpd.states.ports.exits import Exit

SERVICE = "rpd"
NAME = "runpod-api-key"


def stored_key() -> Secret | None:
    """The key. None if the keyring has none. Raises UserError (exit code 4) if there is no keyring to ask."""
    with _keyring() as keyring:
        found = keyring.get_password(SERVICE, NAME)
    return Secret(found.strip()) if found and found.strip() else None


def store_key(key: Secret) -> None:
    """Effect: keep the key. Raises UserError (exit code 4)."""
    with _keyring() as keyring:
        keyring.set_password(SERVICE, NAME, key.reveal())


def forget_key() -> None:
    """Effect: remove the key, if there is one. Raises UserError (exit code 4)."""
    with _keyring() as keyring:
        if keyring.get_password(SERVICE, NAME) is not None:
            keyring.delete_password(SERVICE, NAME)


@contextlib.contextmanager
def _keyring() -> Iterator[Any]:
    try:
        import keyring
    except ImportError:
        raise UserError(
            "the system's keyring needs the package keyring, which is not installed",
            exit_code=Exit.KEY,
            reason="keyring",
            hint="pip install 'rpd-cli[keyring]'   (or export RUNPOD_API_KEY=...)",
        ) from None
    try:
        yield keyring
    except Exception as error:  # each system's backend has errors of its own; their texts may quote anything
        kind = type(error).__name__
        raise UserError(
            f"the system's keyring does not work here ({kind})",
            exit_code=Exit.KEY,
            reason="keyring",
            hint="rpd config set api-key   keeps the key in the settings file (or export RUNPOD_API_KEY=...)",
        ) from None
