"""Python, the terminal, the versions of what rpd uses, and proxies."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata

from rpd.adapters.doctor.check import Check, note, ok, warning
from rpd.adapters.local.children import plain_environment
from rpd.adapters.local.leaks import without_logins
from rpd.adapters.local.version import version
from rpd.adapters.report.paint import has_colour, is_terminal, width_of
from rpd.adapters.report.words import one_line

LIBRARIES = ("paramiko", "cryptography", "requests", "urllib3", "msgspec", "pyyaml", "rich", "typer", "questionary")
PROGRAMS = {"ssh": "-V", "rsync": "--version", "git": "--version"}
_SECONDS = 3.0
_PROXIES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")


def python() -> Iterator[Check]:
    """The interpreter, and the terminal as rpd sees it."""
    number = ".".join(map(str, sys.version_info[:3]))
    yield ok("python", f"{number} at {sys.executable}, on {os.uname().sysname} {os.uname().release}")
    encoding = (sys.stderr.encoding or "?").lower()
    if not is_terminal(sys.stderr):
        yield ok("terminal", "stderr is no terminal: no colour, no live view, no questions")
    else:
        colour = "colour" if has_colour() else "no colour (NO_COLOR)"
        yield ok("terminal", f"{os.environ.get('TERM', '?')}, {width_of(sys.stderr)} columns, {colour}, {encoding}")
    if encoding not in ("utf-8", "utf8"):
        yield warning("terminal", f"the encoding is {encoding}: some characters become ?", "export LC_ALL=C.UTF-8")


def versions() -> Iterator[Check]:
    """rpd itself, its libraries, and the programs beside it. Only `ssh` is missed by a command of rpd."""
    found = versions_here()
    yield ok("rpd", str(found["libraries"].pop("rpd")))
    yield ok("libraries", ", ".join(f"{name} {number}" for name, number in found["libraries"].items()))
    programs = found["programs"]
    yield ok("programs", "; ".join(f"{name}: {told or 'not found'}" for name, told in programs.items()))
    if programs["ssh"] is None:
        yield note("programs", "without ssh, rpd shell has to use its own terminal", "install OpenSSH's client")


def versions_here() -> dict[str, dict[str, str | None]]:
    """Versions by name. None for what is not there."""
    libraries = {"rpd": version(), **{name: _version(name) for name in LIBRARIES}}
    return {"libraries": libraries, "programs": {name: _program(name, word) for name, word in PROGRAMS.items()}}


def proxies(environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """The variables that lead HTTP elsewhere. SSH does not follow them."""
    said = {
        name: value for name in _PROXIES if (value := (environ.get(name) or environ.get(name.upper()) or "").strip())
    }
    if not said or list(said) == ["no_proxy"]:
        yield ok("proxies", "none is set")
        return
    told = ", ".join(f"{name}={one_line(without_logins(value))}" for name, value in said.items())
    text = f"HTTP goes through {told}; SSH to the pods does not"
    yield note("proxies", text, "unset https_proxy http_proxy all_proxy")


def sandbox_extras() -> list[str]:
    """The packages of the sandbox that are not installed."""
    return [name for name in ("asyncssh", "starlette", "uvicorn") if importlib.util.find_spec(name) is None]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _program(name: str, word: str) -> str | None:
    """The first line of what the program says about itself."""
    path = shutil.which(name)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, word],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env=plain_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer"
    said = (done.stdout or done.stderr).decode(errors="replace").strip().splitlines()
    return one_line(said[0])[:60] if said else "says nothing"
