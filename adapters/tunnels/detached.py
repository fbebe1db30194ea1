"""Tunnels that live in processes of their own: each has a file under the state home that says what it is, and a lock
that only a living process holds."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rpd.adapters.local.dirs import private_folder
from rpd.adapters.local.files import write_whole
from rpd.journal import tolerant

_LOOK_SECONDS = 0.05
_TERM_SECONDS = 8.0


class PortPair(msgspec.Struct, frozen=True):
    """A port of this machine, and the pod's port to which it leads. `standing` is the last word about the service."""

    local: int
    remote: int
    standing: str = ""

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://127.0.0.1:{self.local}"


class Tunnel(msgspec.Struct, frozen=True):
    """A tunnel in the background. `started` is UTC seconds. `state` is "starting", "up" or "down"; a tunnel that is
    over has no file. `name` is that of its files."""

    name: str
    pid: int
    started: float
    run_id: str
    journal: str
    pod_id: str
    ports: tuple[PortPair, ...] = ()
    state: str = "starting"


def tunnels_folder(home: Path) -> Path:
    """Where the files are."""
    return home / "tunnels"


def tunnels_of(home: Path) -> list[Tunnel]:
    """The tunnels that live now, the oldest first. Files that dead ones have left are removed."""
    found: list[Tunnel] = []
    for lock in sorted(tunnels_folder(home).glob("*.lock")):
        file = lock.with_suffix(".json")
        if not _is_held(lock):
            _remove(lock)
            continue
        with contextlib.suppress(OSError):
            tunnel = tolerant.decode(file.read_bytes(), Tunnel)
            if tunnel is not None:
                found.append(tunnel)
    return sorted(found, key=lambda tunnel: tunnel.started)


def log_of(home: Path, name: str) -> Path:
    """What the process of this tunnel says."""
    return tunnels_folder(home) / f"{name}.log"


def forget_logs(home: Path, older_seconds: float) -> None:
    """Effect: remove what tunnels have said that are over and whose last words are older."""
    for log in tunnels_folder(home).glob("*.log"):
        with contextlib.suppress(OSError):
            if not log.with_suffix(".lock").exists() and time.time() - log.stat().st_mtime > older_seconds:
                log.unlink(missing_ok=True)


@contextlib.contextmanager
def held(home: Path, tunnel: Tunnel) -> Iterator[None]:
    """Be this tunnel inside the block: hold its lock, and remove its files in the end. Raises UserError, OSError."""
    lock = private_folder(tunnels_folder(home)) / f"{tunnel.name}.lock"
    draft = lock.with_suffix(".new")  # a lock that nobody holds yet looks like that of a dead tunnel
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.replace(lock)
        told(home, tunnel)
        yield
    finally:
        _remove(lock)
        os.close(handle)


def told(home: Path, tunnel: Tunnel) -> None:
    """Effect: write what the tunnel is now. Raises UserError."""
    write_whole(tunnels_folder(home) / f"{tunnel.name}.json", msgspec.json.encode(tunnel))


def close_tunnel(home: Path, tunnel: Tunnel) -> bool:
    """Effect: end its process, and wait until it is gone. Returns whether it is. The lock proves that the process which
    the file names is still the one that wrote it."""
    lock = tunnels_folder(home) / f"{tunnel.name}.lock"
    for number, seconds in ((signal.SIGTERM, _TERM_SECONDS), (signal.SIGKILL, 2.0)):
        if not _is_held(lock):
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(tunnel.pid, number)
        end = time.monotonic() + seconds
        while _is_held(lock) and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
    if _is_held(lock):
        return False
    _remove(lock)
    return True


def _is_held(lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _remove(lock: Path) -> None:
    for file in (lock.with_suffix(".json"), lock):
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
