"""The user who runs this, as far as the system knows: in a container (`docker run --user 54321`) a user may have no
name, and a service may have no home folder."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from rpd.engine.errors import UserError


def user_name() -> str:
    """The user's name, else their number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # KeyError until Python 3.12
        return str(os.geteuid())


def user_home() -> Path | None:
    """The user's home folder. None if there is none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def expanded(text: str) -> str:
    """A path with its `~` replaced. Raises UserError if that is this user's home and there is none."""
    path = os.path.expanduser(text)  # noqa: PTH111 - pathlib raises on ~nobody
    if path.split("/", 1)[0] == "~":
        raise UserError(
            f"the path {text} begins with a home folder, and this user has none",
            reason="no_home",
            hint="export HOME=/a/folder/of/yours",
        )
    return path
