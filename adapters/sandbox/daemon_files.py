"""The files by which a sandbox daemon and its clients find each other, and what they say."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from pathlib import Path

import msgspec

_TRIES = 50
_TRY_SECONDS = 0.01


class SandboxInfo(msgspec.Struct, frozen=True):
    """A sandbox that answers. `url` is what $RPD_API_URL takes; `isolation` is "namespace" or "rewritten"."""

    url: str
    api_key: str
    home: str
    pid: int
    isolation: str


class DaemonFiles:
    """The files below one home. The daemon holds a lock for as long as it lives, which is how others know."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.info = self.home / "daemon.json"
        self.lock = self.home / "daemon.lock"
        self.log = self.home / "daemon.log"

    def make_home(self) -> None:
        """Make the home, readable by this user alone."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)

    def hold(self, name: str = "daemon.lock", *, wait: bool = False) -> int | None:
        """Take a lock of this home; the descriptor that holds it, or None when somebody else does."""
        descriptor = os.open(self.home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def hold_soon(self) -> int | None:
        """Take the daemon's lock, over the moments in which somebody merely looks whether it is held."""
        for _ in range(_TRIES):
            descriptor = self.hold()
            if descriptor is not None:
                return descriptor
            time.sleep(_TRY_SECONDS)
        return None

    def is_served(self) -> bool:
        """Whether a daemon lives in this home."""
        if not self.lock.exists():
            return False
        descriptor = self.hold()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def api_key(self) -> str:
        """The account's key of this sandbox; made on first use, the same ever after."""
        path = self.home / "api_key"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text(encoding="ascii")
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"sbx_{secrets.token_hex(20)}")
        return path.read_text(encoding="ascii")

    def read_info(self) -> SandboxInfo | None:
        """What the living daemon said about itself; None when there is none."""
        if not self.is_served():
            return None
        try:
            return msgspec.json.decode(self.info.read_bytes(), type=SandboxInfo)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write_info(self, info: SandboxInfo) -> None:
        """Say that the API answers."""
        temporary = self.info.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(info))
        temporary.replace(self.info)

    def remove_info(self) -> None:
        """Say that it does not any more."""
        self.info.unlink(missing_ok=True)
