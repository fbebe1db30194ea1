"""The note on disk while a network volume is being made. It prevents a second volume after a lost answer or a dead
process.

The API has no key against doubles, and its names are not unique. So rpd writes the order down and syncs it before it
sends it, and removes it when it is settled. The volume of a remaining order may still turn up in the cloud's list until
the cloud's quiet window is over. One lock per state home keeps two commands from making the same volume at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rpd.adapters.local.dirs import private_folder
from rpd.adapters.local.files import read_regular, write_whole
from rpd.engine.errors import UserError
from rpd.journal import tolerant
from rpd.states.ports.exits import Exit

MAX_BYTES = 64 * 1024


class VolumeIntent(msgspec.Struct, frozen=True):
    """An order that was sent, or was about to be. `at` is UTC seconds."""

    name: str
    size_gb: int
    datacenter: str
    type: str
    at: float


class VolumeIntentFile:
    """The file with the order for one name in one cloud, if there is one."""

    def __init__(self, home: Path, cloud: str, name: str) -> None:
        mark = hashlib.sha256(f"{cloud}\n{name}".encode()).hexdigest()[:24]
        self._folder = home / "volumes"
        self._path = self._folder / f"{mark}.json"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock of this state home. Raises UserError (exit code 9) if another command has it."""
        private_folder(self._folder)
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    "another rpd makes a network volume at this moment; nothing was done",
                    exit_code=Exit.JOURNAL,
                    reason="in_use",
                    hint="rpd volumes   shows what it has made; then the same command again",
                ) from None
            yield
        finally:
            os.close(handle)

    def read(self) -> VolumeIntent | None:
        """The order that was never settled. An order that makes no sense counts as none."""
        try:
            return tolerant.decode(read_regular(self._path, MAX_BYTES), VolumeIntent)
        except OSError:
            return None

    def write(self, claim: VolumeIntent) -> None:
        """Effect, synced. Raises UserError."""
        write_whole(self._path, msgspec.json.encode(claim))

    def settle(self) -> None:
        """Effect: the result of the order is known."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def seconds_in_doubt(claim: VolumeIntent | None, quiet_window_seconds: float) -> float:
    """How long the volume may still turn up. A clock that was set back does not make this longer than the window."""
    if claim is None:
        return 0.0
    return min(quiet_window_seconds, max(0.0, claim.at + quiet_window_seconds - time.time()))
