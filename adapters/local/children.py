"""The part of this process's environment that started programs get: never the API key, nor another secret that is not
theirs. A child passes it on to every program that it starts, and the system shows it to every process of the same
user."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from rpd.adapters.local.leaks import environment_secrets, is_secret_name
from rpd.journal.redact import Redactor, Secret

_PLAIN = re.compile(
    r"(PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|LANG|LANGUAGE|XDG_CONFIG_HOME|XDG_RUNTIME_DIR|LD_LIBRARY_PATH)\Z"
    r"|LC_|DYLD_|NIX_"
)

_GIT_KEY = re.compile(r"GIT_CONFIG_KEY_([0-9]+)\Z")
_GIT_SECRET = re.compile(r"header|credential|token|pass|secret|cookie", re.IGNORECASE)
_URL_USER = re.compile(r"(https?://)[^/@\s]*@", re.IGNORECASE)


def plain_environment(*prefixes: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a program that does a job of ours: paths, the language, and the variables that begin with one
    of the prefixes. No list of forbidden names would be complete."""
    kept = {name: value for name, value in environ.items() if _PLAIN.match(name) or name.startswith(prefixes)}
    plain = {name: value for name, value in kept.items() if not _is_secret(name, value)}
    return plain | _git_pairs(kept, _known_in(environ))


def own_environment(home: Path) -> dict[str, str]:
    """The environment of another process of rpd itself: all of this one, because it needs the API key. It is no program
    of somebody else. `home` is the state home."""
    return {**os.environ, "RPD_HOME": str(home)}


def environment_for(command: str, redactor: Redactor, *, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a command of the person's own: everything but secrets. It gets the secrets that it names
    itself, as `$NAME`."""
    known = _known_in(environ)

    def is_secret(name: str, value: str) -> bool:
        return _is_secret(name, value) or known.is_in(value) or redactor.is_in(value)

    named = set(re.findall(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)", command))
    kept = {name: value for name, value in environ.items() if name in named or not is_secret(name, value)}
    pairs = _git_pairs(environ, known, redactor)
    return kept | {name: value for name, value in pairs.items() if name not in named}


def _known_in(environ: Mapping[str, str]) -> Redactor:
    """The secrets of this environment. The name of a git setting is no secret, although its variable is called a
    key."""
    plain = {name: value for name, value in environ.items() if not _GIT_KEY.match(name)}
    return Redactor(*map(Secret, environment_secrets(plain).values()))


def _is_secret(name: str, value: str) -> bool:
    holds = name == "GIT_CONFIG_PARAMETERS" and (_GIT_SECRET.search(value) or _URL_USER.search(value))
    return bool(holds) or is_secret_name(name)


def _git_pairs(environ: Mapping[str, str], *redactors: Redactor) -> dict[str, str]:
    """The git settings in this environment. git refuses all work if one of the counted settings is missing, so all of
    them stay, without the secrets in them."""
    pairs = {}
    for name, key in environ.items():
        match = _GIT_KEY.match(name)
        value = environ.get(place := f"GIT_CONFIG_VALUE_{match[1]}") if match else None
        if value is None:
            continue
        is_secret = _GIT_SECRET.search(key) or any(each.is_in(value) for each in redactors)
        pairs[name], pairs[place] = _URL_USER.sub(r"\1", key), "" if is_secret else _URL_USER.sub(r"\1", value)
    return pairs
