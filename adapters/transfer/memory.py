"""What the tries of one process to fetch an artifact already know of its files. A link that breaks every few seconds
leaves no time to hash everything again, here and in the pod."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rpd.adapters.transfer.entry import Entry, Interrupted
from rpd.adapters.transfer.local_tree import sha256_of

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

KEPT_MAX = 100_000
"""The most files that are remembered, on each side."""
SETTLED_SECONDS = 3.0
"""How long a date must have been seen before the content that was read counts for it: a file that changes twice within
a second keeps its date."""


BEGUN_MAX = 1000


class Memory:
    """Sums are remembered with size and date, and are only a hint: whatever they say, what arrives is hashed."""

    def __init__(self, now: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._now, self._wall = now, wall
        self._seen: dict[str, tuple[int, int, float]] = {}
        self._known: dict[str, tuple[int, int, str]] = {}
        self._here: dict[str, tuple[tuple[int, ...], str]] = {}
        self._begun: dict[str, tuple[tuple[int, ...], Hash]] = {}
        self.salt = ""

    def saw(self, entries: Iterable[Entry]) -> None:
        """The pod lists these versions, and is asked for their sums now."""
        for entry in entries:
            size, mtime, _ = self._seen.get(entry.path, (-1, 0, 0.0))
            if (size, mtime) != (entry.size, entry.mtime) and len(self._seen) < KEPT_MAX:
                self._seen[entry.path] = entry.size, entry.mtime, self._now()

    def note(self, entry: Entry, sha256: str) -> None:
        """The pod has given this sum for the version that it lists."""
        size, mtime, since = self._seen.get(entry.path, (-1, 0, 0.0))
        is_settled = (size, mtime) == (entry.size, entry.mtime) and self._now() - since >= SETTLED_SECONDS
        if is_settled or entry.mtime + 20 * SETTLED_SECONDS <= self._wall():
            self._known[entry.path] = entry.size, entry.mtime, sha256

    def known_sha256(self, entry: Entry) -> str:
        """The sum that the pod gave for this very version. Empty if rpd has to ask."""
        size, mtime, sha256 = self._known.get(entry.path, (-1, 0, ""))
        return sha256 if (size, mtime) == (entry.size, entry.mtime) else ""

    def forget(self, paths: Iterable[str]) -> None:
        """These files did not arrive as announced: do not ask again for any sum that the pod has ready."""
        self.salt = secrets.token_hex(8)
        for path in paths:
            self._known.pop(path, None)

    def keep(self, path: str, info: os.stat_result, sum_so_far: Hash) -> None:
        """This part of a file is here, and hashed."""
        if len(self._begun) < BEGUN_MAX:
            self._begun[path] = _version(info), sum_so_far

    def kept(self, path: str, info: os.stat_result) -> Hash | None:
        """The sum of exactly these bytes, to continue from."""
        version, known = self._begun.pop(path, ((), None))
        return known if version == _version(info) else None

    def sha256_of(self, place: str, info: os.stat_result, interrupted: Interrupted) -> str:
        """The hex sha256 of a local file. Raises OSError."""
        version = _version(info)
        known, sha256 = self._here.get(place, ((), ""))
        if known == version:
            return sha256
        sha256 = sha256_of(Path(place), interrupted)
        if info.st_ctime + SETTLED_SECONDS <= self._wall() and len(self._here) < KEPT_MAX:
            self._here[place] = version, sha256
        return sha256


def _version(info: os.stat_result) -> tuple[int, ...]:
    return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns
