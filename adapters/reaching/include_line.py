"""The one line in the person's own `~/.ssh/config` that makes OpenSSH, and all that uses it, know the pods of rpd."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

from rpd.adapters.local.files import alone_in, make_private, write_whole
from rpd.adapters.local.person import user_home
from rpd.adapters.reaching.ssh_entry import entries_folder
from rpd.engine.errors import UserError

_COMMENT = "# rpd ssh-config wrote the next line; rpd ssh-config --remove takes it away"


def include_line(home: Path) -> str:
    """The line for this state home."""
    return f'Include "{entries_folder(home)}/*.conf"'


def own_config() -> Path:
    """The person's configuration, which may be missing. Raises UserError."""
    folder = user_home()
    if folder is None:
        raise UserError("this user has no home folder, and so no ~/.ssh/config", reason="no_home")
    return folder / ".ssh" / "config"


def is_included(home: Path) -> bool:
    """Whether the person's configuration has the line."""
    return include_line(home) in _read(own_config()).splitlines()


def include(home: Path) -> None:
    """Effect: put the line at the top, where no `Host` block before it limits it, and where no other option wins."""
    path = own_config()
    with _alone(path):
        if not is_included(home):
            _write(path, f"{_COMMENT}\n{include_line(home)}\n\n{_read(path)}")


def exclude(home: Path) -> bool:
    """Effect: take the line away. Returns whether it was there. All else stays as it is."""
    path, line = own_config(), include_line(home)
    if not is_included(home):
        return False
    with _alone(path):
        rest = _read(path).replace(f"{_COMMENT}\n{line}\n\n", "").splitlines(keepends=True)
        _write(path, "".join(each for each in rest if each.rstrip("\r\n") != line))
    return True


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """In this block no other `rpd` changes the configuration. Its folder is made if absent. Raises UserError."""
    try:
        make_private(path.parent)
        with alone_in(path.parent):
            yield
    except OSError as error:
        raise UserError(f"cannot change {path}: {error.strerror}", reason="local_disk") from error


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    """Replace the file that is meant, also behind a link, with the permissions that it has."""
    place = path.resolve()
    mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o600
    write_whole(place, text.encode("utf-8", "surrogateescape"), mode=mode)
