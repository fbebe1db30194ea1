"""Where rpd keeps things on this machine, and the names it gives them."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rpd.adapters.local.files import make_private, require_text
from rpd.adapters.local.person import expanded
from rpd.engine.errors import UserError
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import RUNS_BELOW

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no letter looks like a digit, and each may be in a pod's name."""

LONGEST_LABEL = 41
TOKEN_LENGTH = 26
SUFFIX_LENGTH = 6

Entropy = Callable[[int], bytes]


def state_home(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of journals, keys and caches: $RPD_HOME, else the platform's user-state folder; made 0700 if absent.
    Without symbolic links, as journals name themselves.

    Raises UserError if it cannot be made, belongs to another user or can be written by others.
    """
    return private_folder(place_of_state_home(environ)).resolve()


def place_of_state_home(environ: Mapping[str, str] = os.environ) -> Path:
    """The same folder, as it is named; not made, and not looked at. Raises UserError if there can be none."""
    named = environ.get("RPD_HOME", "")
    if named:
        return Path(expanded(named)).absolute()
    import platformdirs

    try:
        return platformdirs.user_state_path("rpd", appauthor=False)
    except RuntimeError as error:
        raise UserError(
            "there is no place for journals: this user has no home folder, and RPD_HOME is not set",
            reason="no_home",
            hint="export RPD_HOME=/a/folder/of/yours",
        ) from error


def config_home() -> Path | None:
    """The folder of the user's own settings; not created. None for a user without a home folder."""
    import platformdirs

    try:
        return platformdirs.user_config_path("rpd", appauthor=False)
    except RuntimeError:
        return None


def private_folder(folder: Path) -> Path:
    """Make `folder` readable by this user alone, and return it. An existing folder is only checked, and never changed.
    Raises UserError."""
    require_text(folder)
    try:
        make_private(folder)
        status = folder.stat()
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}", reason=Fault.LOCAL_DISK) from error
    if status.st_uid != os.geteuid():
        raise UserError(f"the folder {folder} belongs to another user; set RPD_HOME to one of your own")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UserError(f"others may write to the folder {folder}", hint=f"chmod 700 {folder}")
    return folder


def label_of(name: str) -> str:
    """A name for pods, files and folders: `[a-z0-9][a-z0-9-]{0,40}`, or empty if nothing of it can be kept."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_LABEL].rstrip("-")


def new_run_id(prefix: str, wall: float, entropy: Entropy = os.urandom) -> str:
    """`<label of the prefix>-<YYYYMMDDTHHMMSSZ>-<6 base32>` for a moment in UTC seconds."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall))
    return f"{label_of(prefix)}-{moment}-{_letters(SUFFIX_LENGTH, entropy)}"


def new_token(entropy: Entropy = os.urandom) -> str:
    """26 letters (130 bits) that no other run has. They are in the pod's name and make it ours."""
    return _letters(TOKEN_LENGTH, entropy)


def run_folder(project_root: Path, run_id: str) -> Path:
    """`<project_root>/artifacts/runpod/<run_id>`; not created."""
    return project_root / RUNS_BELOW / run_id


def _letters(count: int, entropy: Entropy) -> str:
    return "".join(ALPHABET[byte & 31] for byte in entropy(count))


def own_key_path(home: Path) -> Path:
    """The file of rpd's own private key, once it was needed."""
    return home / "ssh" / "id_ed25519"
