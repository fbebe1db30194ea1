"""The local files of a push as one tar stream, hashed while they are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from rpd.adapters.transfer import archive
from rpd.adapters.transfer.entry import Entry, Interrupted, Progress
from rpd.adapters.transfer.local_tree import check

_CHUNK = 256 * 1024
_RACY_SECONDS = 2.0


class Outgoing:
    """Iterate once.

    Afterwards `digests` holds the sha256 of each file sent, `vanished` those that were gone, and `torn` those that
    shrank while they were read (filled up with zeros, so they must be sent again).
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        locate: Callable[[Entry], Path],
        *,
        since: float,
        progress: Progress,
        interrupted: Interrupted,
    ) -> None:
        self._locate = locate
        self._entries = entries
        self._racy_from = since - _RACY_SECONDS
        self._progress = progress
        self._interrupted = interrupted
        self._total = sum(entry.size for entry in entries)
        self._done = 0
        self.digests: dict[str, str] = {}
        self.vanished: set[str] = set()
        self.torn: set[str] = set()

    @property
    def count(self) -> int:
        """Files, folders and links to send."""
        return len(self._entries)

    @property
    def total_bytes(self) -> int:
        """Bytes of content to send, by the listing."""
        return self._total

    @property
    def sent_bytes(self) -> int:
        """Bytes of content sent so far."""
        return self._done

    def __iter__(self) -> Iterator[bytes]:
        batch = bytearray()
        for entry in self._entries:
            check(self._interrupted)
            if entry.kind != "file":
                batch += archive.header(entry)
                continue
            for piece in self._file(entry):
                batch += piece
                if len(batch) >= _CHUNK:
                    yield bytes(batch)
                    batch.clear()
        yield bytes(batch) + archive.END

    def _file(self, entry: Entry) -> Iterator[bytes]:
        try:
            # A link that took the file's place since the scan must not be followed out of the tree.
            descriptor = os.open(self._locate(entry), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            self.vanished.add(entry.path)
            return
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
            info = os.fstat(descriptor)
            left = info.st_size
            yield archive.header(self._dated(entry, info), left)
            whole = hashlib.sha256()
            while left:
                data = file.read(min(left, _CHUNK))
                if not data:
                    self.torn.add(entry.path)
                    data = bytes(min(left, _CHUNK))
                whole.update(data)
                left -= len(data)
                self._done += len(data)
                yield data
                self._progress(self._done, max(self._total, self._done))
                check(self._interrupted)
        self.digests[entry.path] = whole.hexdigest()
        yield archive.padding(info.st_size)

    def _dated(self, entry: Entry, info: os.stat_result) -> Entry:
        """The entry with the file's present time.

        A file written within the last moments may be written again within the same second, with the same size. A time
        one second off makes the next push compare its content instead of its date.
        """
        mtime = int(info.st_mtime)
        if info.st_mtime >= self._racy_from:
            mtime -= 1
        return msgspec.structs.replace(entry, mode=info.st_mode & 0o7777, mtime=mtime)
