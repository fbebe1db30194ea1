"""Secrets in the wrong place: values of this process's environment, and texts in the form of well-known keys.

A job file is copied into the journal, so neither may be in it. A secret of the environment that reaches the file
through a variable is written to the journal as `***NAME***` and read from the environment again when the run is
resumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rpd.engine.errors import UserError

SHORTEST_SECRET = 8
"""Shorter values collide with ordinary words."""

_SECRET_NAME = re.compile(
    r"(^|_)(KEY|APIKEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|CREDENTIALS)(_[A-Z0-9]+)?\Z", re.IGNORECASE
)
_NOT_SECRET_NAME = re.compile(r"(_|^)(FILE|PATH|DIR|SOCK|URL|URI|HOST|NAME|TYPE|ID|TTL|SIZE|LEVEL)\Z", re.IGNORECASE)
_KEY_SHAPES = re.compile(
    r"\b(rpa_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|xox[abpr]-[A-Za-z0-9-]{20,}"
    r"|hooks\.slack\.com/services/[A-Z0-9]+/[A-Z0-9]+/[A-Za-z0-9]{16,}"
    r"|discord(?:app)?\.com/api/webhooks/[0-9]+/[A-Za-z0-9_-]{20,}|api\.telegram\.org/bot[0-9]+:[A-Za-z0-9_-]{20,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_LOGIN = re.compile(r"(?<=://)[^/\s:@]{0,200}:[^/\s@]{1,200}(?=@)")
_HEADER = re.compile(r"(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/=-]{8,}")
"""The value of an `Authorization` header, but not a variable that a shell fills in."""
_TOKEN = re.compile(rf"\b(?=[A-Za-z]*[0-9])[A-Za-z0-9]{{32,}}\b|{_LOGIN.pattern}")
"""What may be a key of an unknown kind, and the login before the host of a URL."""
_MASK = re.compile(r"\*\*\*([A-Za-z_][A-Za-z0-9_]*)\*\*\*")


def environment_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The entries of an environment that look like secrets, by name."""
    return {name: value for name, value in environ.items() if is_secret_name(name) and len(value) >= SHORTEST_SECRET}


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name usually holds a secret (HF_TOKEN, yes; TOKENIZERS_PARALLELISM, SSH_AUTH_SOCK,
    no)."""
    return bool(_SECRET_NAME.search(name)) and not _NOT_SECRET_NAME.search(name)


def leak_in(text: str, secrets: Mapping[str, str]) -> str | None:
    """Which secret `text` holds: its name, or "a well-known kind of key". None if there is none."""
    for name, value in secrets.items():
        if value in text:
            return f"the value of ${name}"
    return "what looks like a key" if _KEY_SHAPES.search(text) else None


def has_login(text: str) -> bool:
    """Whether the text has an address with a user's name and password: `https://me:password@host/`."""
    return _LOGIN.search(text) is not None


def without_logins(text: str) -> str:
    """The same text with `***` for logins, and for the value of an `Authorization` header."""
    return _HEADER.sub("***", _LOGIN.sub("***", text))


def without_shapes(text: str) -> str:
    """A text of any length with `***` for keys of well-known kinds and for what `without_logins` masks. Hashes
    stay."""
    return without_logins(_KEY_SHAPES.sub("***", _PRIVATE_KEY.sub("***", text)))


def without_keys(text: str) -> str:
    """A short text with `***` for everything that looks like a key. It is for use without the secrets of a run."""
    return _TOKEN.sub("***", _KEY_SHAPES.sub("***", text))


def mask(value: Any, secrets: Mapping[str, str]) -> Any:
    """Plain data with every secret of the environment written as `***NAME***`."""
    if isinstance(value, str):
        for name, secret in sorted(secrets.items(), key=lambda entry: -len(entry[1])):
            value = value.replace(secret, f"***{name}***")
        return value
    if isinstance(value, Mapping):
        return {key: mask(item, secrets) for key, item in value.items()}
    return [mask(item, secrets) for item in value] if isinstance(value, list | tuple) else value


def unmask(value: Any, environ: Mapping[str, str]) -> Any:
    """The inverse of `mask`. Raises UserError naming the first variable that the environment lacks now."""
    if isinstance(value, str):
        return _MASK.sub(lambda match: _from_environment(match, environ), value)
    if isinstance(value, Mapping):
        return {key: unmask(item, environ) for key, item in value.items()}
    return [unmask(item, environ) for item in value] if isinstance(value, list | tuple) else value


def _from_environment(match: re.Match[str], environ: Mapping[str, str]) -> str:
    name = match[1]
    if not is_secret_name(name) or 0 < len(environ.get(name, "")) < SHORTEST_SECRET:
        return match[0]  # never masked: the user's own words
    if name in environ:
        return environ[name]
    raise UserError(
        f"the run was started with the secret ${name}, which the journal does not hold; set it again",
        reason="secret_missing",
        hint=f"export {name}=...",
    )
