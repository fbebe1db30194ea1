"""What the programs that we start get of this process's environment: never the API key, nor another secret that is not
theirs. A child hands it on to whatever it starts, and the system shows it to every process of the same user."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from rpd.adapters.local.leaks import environment_secrets, is_secret_name
from rpd.journal.redact import Redactor, Secret

_PLAIN = re.compile(
    r"(PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|LANG|LANGUAGE|XDG_CONFIG_HOME|XDG_RUNTIME_DIR|LD_LIBRARY_PATH)\Z"
    r"|LC_|DYLD_|NIX_"
)


def plain_environment(*prefixes: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """For a program that does a job of ours: where things are, the language, and what begins with one of these. No
    list of forbidden names would be complete."""
    kept = {name: value for name, value in environ.items() if _PLAIN.match(name) or name.startswith(prefixes)}
    return {name: value for name, value in kept.items() if not is_secret_name(name)}


def environment_for(command: str, redactor: Redactor, *, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """For a command of the person's own: everything but secrets. It gets those that it names itself, as `$NAME`."""
    known = Redactor(*map(Secret, environment_secrets(environ).values()))

    def is_secret(name: str, value: str) -> bool:
        return is_secret_name(name) or known.is_in(value) or redactor.is_in(value)

    named = set(re.findall(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)", command))
    return {name: value for name, value in environ.items() if name in named or not is_secret(name, value)}
