"""The source of the API key, and the chosen cloud."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from rpd.adapters.local.files import read_regular
from rpd.adapters.local.person import user_home
from rpd.adapters.settings.file import LARGEST_BYTES, read_private, settings_file
from rpd.engine.errors import UserError
from rpd.states.ports.exits import Exit

if TYPE_CHECKING:
    from rpd.journal.redact import Secret

RUNPOD_URL = "https://api.runpod.io/v2"
KEY_MISSING = "key_missing"

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class CloudProfile(msgspec.Struct, frozen=True):
    """A cloud, with the waits that it needs.

    `quiet_window_seconds`: how long an ambiguous create may still show its pod in lists. `proof_interval_seconds`: the
    pause between the surveys that prove a release. Neither field nor `url` ever holds a key.
    """

    name: str
    url: str
    quiet_window_seconds: float
    proof_interval_seconds: float


class ApiKey(msgspec.Struct, frozen=True):
    """The key and its source, in words for people."""

    secret: Secret
    source: str


def cloud_profile(environ: Mapping[str, str] = os.environ, *, sandbox_url: str | None = None) -> CloudProfile:
    """The cloud in use: the sandbox at `sandbox_url`, else $RPD_API_URL, else RunPod.

    A loopback address is a sandbox, with its short waits. Raises UserError for an address that would send the key
    unencrypted.
    """
    return profile_of(sandbox_url or environ.get("RPD_API_URL", "").strip() or RUNPOD_URL)


def profile_of(url: str) -> CloudProfile:
    """The profile of an API address, for example of the address in a journal."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise UserError(f"RPD_API_URL is not an address: {error}") from error
    if parts.username or parts.password:
        raise UserError("RPD_API_URL holds a user or password; put the API key into RUNPOD_API_KEY")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UserError("RPD_API_URL must look like https://host/v2")
    url = url.rstrip("/")
    if host in _LOOPBACK:
        return CloudProfile("sandbox", url, quiet_window_seconds=2.0, proof_interval_seconds=0.5)
    if parts.scheme != "https":
        raise UserError(f"RPD_API_URL {url} would send the API key unencrypted; use https://")
    return CloudProfile("runpod", url, quiet_window_seconds=180.0, proof_interval_seconds=30.0)


def find_api_key(environ: Mapping[str, str] = os.environ, file: Path | None = None) -> ApiKey | None:
    """The key from $RUNPOD_API_KEY, else `api_key` of the settings file, else the key of the keeper that this file
    names as `api_key_from`: the system's keyring, or RunPod's own tools. None if there is no key.

    Raises UserError (exit code 4) if other users may read the file or if the key cannot be a key.
    """
    named = environ.get("RUNPOD_API_KEY", "").strip()
    if named:
        return api_key(named, "the environment variable RUNPOD_API_KEY")
    file = file or settings_file(environ)
    if file is None:
        return None
    settings = read_private(file)
    key = settings.get("api_key")
    if key is None or key == "":
        return _kept_elsewhere(settings.get("api_key_from"), environ)
    if not isinstance(key, str):
        raise UserError(f"api_key in {file} is not text", exit_code=Exit.KEY, reason="key_unusable")
    return api_key(key.strip(), str(file))


def require_api_key(environ: Mapping[str, str] = os.environ, file: Path | None = None) -> ApiKey:
    """Like `find_api_key`, but a missing key is a UserError with exit code 4."""
    key = find_api_key(environ, file)
    if key is None:
        file = file or settings_file(environ)
        where = f"{file} has no api_key" if file is not None else "there is no home folder with settings"
        raise UserError(
            f"no API key: RUNPOD_API_KEY is not set and {where}",
            exit_code=Exit.KEY,
            reason=KEY_MISSING,
            hint=_where_from(environ),
        )
    return key


def _kept_elsewhere(keeper: Any, environ: Mapping[str, str]) -> ApiKey | None:
    if keeper == "runpodctl":
        other = runpodctl_file(environ)
        found = runpodctl_key(other)
        return api_key(found, str(other)) if found is not None else None
    if keeper == "keyring":
        from rpd.adapters.settings.keyring_store import stored_key

        kept = stored_key()
        return api_key(kept.reveal(), "the system's keyring") if kept is not None else None
    return None


def runpodctl_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The file in which RunPod's own tools keep their key."""
    return Path(environ.get("HOME") or user_home() or "/nonexistent", ".runpod", "config.toml")


def runpodctl_key(file: Path) -> str | None:
    """The key in that file. None if there is none, or if the file cannot be read."""
    try:
        settings = tomllib.loads(read_regular(file, LARGEST_BYTES).decode())
    except (OSError, ValueError, RuntimeError):
        return None
    tables = [settings, *(table for table in settings.values() if isinstance(table, dict))]
    found = (table.get(name) for table in tables for name in ("apikey", "apiKey", "api_key"))
    return next((key.strip() for key in found if isinstance(key, str) and key.strip()), None)


def _where_from(environ: Mapping[str, str]) -> str:
    """How to give rpd a key. rpd reads the key of RunPod's own tools only if the user has said so."""
    other = runpodctl_file(environ)
    if runpodctl_key(other) is None:
        return "rpd config init   (or export RUNPOD_API_KEY=..., or try it without: rpd run FILE --sandbox)"
    told = "rpd config set api-key-from runpodctl"
    return f"{other} holds a key of RunPod's own tools; to use it: {told}   (or rpd config init)"


def api_key(value: str, source: str) -> ApiKey:
    """The key, if it can be one. Raises UserError (exit code 4), which does not show it."""
    from rpd.journal.redact import Secret

    if any(quote in value for quote in "'\"`"):
        raise UserError(
            f"the API key in {source} is in quotes, which are not part of the key; remove them",
            exit_code=Exit.KEY,
            reason="key_unusable",
        )
    if not value.isascii() or not value.isprintable() or " " in value:
        raise UserError(
            f"the API key in {source} holds a space, line break or foreign character; copy it again",
            exit_code=Exit.KEY,
            reason="key_unusable",
        )
    return ApiKey(Secret(value), source)
