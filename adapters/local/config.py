"""The user's own settings: where the API key comes from, and which cloud is meant."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from rpd.adapters.local.dirs import config_home
from rpd.engine.errors import UserError
from rpd.states.exits import Exit

if TYPE_CHECKING:
    from rpd.journal.redact import Secret

RUNPOD_URL = "https://api.runpod.io/v2"

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class CloudProfile(msgspec.Struct, frozen=True):
    """A cloud and how patient one must be with it.

    `quiet_window_seconds`: how long an ambiguous create may still surface in lists. `proof_interval_seconds`: the
    pause between the sightings that prove a release. Neither field nor `url` ever holds a key.
    """

    name: str
    url: str
    quiet_window_seconds: float
    proof_interval_seconds: float


class ApiKey(msgspec.Struct, frozen=True):
    """The key and where it was found, in words for people."""

    secret: Secret
    source: str


def cloud_profile(environ: Mapping[str, str] = os.environ, *, sandbox_url: str | None = None) -> CloudProfile:
    """The cloud in use: the sandbox at `sandbox_url`, else $RPD_API_URL, else RunPod.

    A loopback address is a sandbox, with its short waits. Raises UserError for an address that would carry the key in
    clear.
    """
    return profile_of(sandbox_url or environ.get("RPD_API_URL", "").strip() or RUNPOD_URL)


def profile_of(url: str) -> CloudProfile:
    """The profile that belongs to an API address, such as the one a journal names."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise UserError(f"RPD_API_URL is not an address: {error}") from error
    if parts.username or parts.password:
        raise UserError("RPD_API_URL holds a user or password; the key has its own place: RUNPOD_API_KEY")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UserError("RPD_API_URL must look like https://host/v2")
    url = url.rstrip("/")
    if host in _LOOPBACK:
        return CloudProfile("sandbox", url, quiet_window_seconds=2.0, proof_interval_seconds=0.5)
    if parts.scheme != "https":
        raise UserError(f"RPD_API_URL {url} would send the API key in clear; use https://")
    return CloudProfile("runpod", url, quiet_window_seconds=180.0, proof_interval_seconds=30.0)


def settings_file() -> Path | None:
    """The user's settings, TOML; need not exist. None for a user without a home folder."""
    folder = config_home()
    return folder and folder / "config.toml"


def find_api_key(environ: Mapping[str, str] = os.environ, file: Path | None = None) -> ApiKey | None:
    """The key from $RUNPOD_API_KEY, else `api_key` of the settings file; None where neither has one.

    Raises UserError (exit code 4) when the file may be read by others or the key cannot be one.
    """
    named = environ.get("RUNPOD_API_KEY", "").strip()
    if named:
        return _api_key(named, "the environment variable RUNPOD_API_KEY")
    file = file or settings_file()
    if file is None:
        return None
    settings = _read_private(file)
    key = settings.get("api_key")
    if key is None or key == "":
        return None
    if not isinstance(key, str):
        raise UserError(f"api_key in {file} is not text", exit_code=Exit.KEY, reason="key_unusable")
    return _api_key(key.strip(), str(file))


def require_api_key(environ: Mapping[str, str] = os.environ, file: Path | None = None) -> ApiKey:
    """Like `find_api_key`, but no key is a UserError with exit code 4."""
    key = find_api_key(environ, file)
    if key is None:
        file = file or settings_file()
        where = f"{file} has no api_key" if file is not None else "there is no home folder with settings"
        raise UserError(
            f"no API key: RUNPOD_API_KEY is not set and {where}",
            exit_code=Exit.KEY,
            reason="key_missing",
            hint="export RUNPOD_API_KEY=...   (or try it without: rpd run FILE --sandbox)",
        )
    return key


def _api_key(value: str, source: str) -> ApiKey:
    from rpd.journal.redact import Secret

    if not value.isascii() or not value.isprintable() or " " in value:
        raise UserError(
            f"the API key in {source} holds a space, line break or foreign character; copy it again",
            exit_code=Exit.KEY,
            reason="key_unusable",
        )
    return ApiKey(Secret(value), source)


def _read_private(file: Path) -> dict[str, Any]:
    """The settings; empty when there is no file."""
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            settings = tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}", exit_code=Exit.KEY, reason="key_missing") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not TOML: {error}") from error
    if "api_key" in settings and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UserError(
            f"{file} holds your API key and others may read it",
            exit_code=Exit.KEY,
            reason="key_exposed",
            hint=f"chmod 600 {file}",
        )
    return settings
