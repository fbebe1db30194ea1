"""Where records go if the journal cannot be written: into a file in the state home, else to standard error.

rpd may release rented pods without a journal, but never without a trace. Lines have the journal's own format and chain,
counted from 0 in each file, so that every reader can read them.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from rpd.journal import codec
from rpd.journal.appendfile import free_name
from rpd.journal.disk import Disk, OsDisk
from rpd.journal.folder import make_folder
from rpd.journal.paths import emergency_path
from rpd.journal.reader import parse
from rpd.journal.records import Body, Record, Stamp
from rpd.journal.redact import Redactor


class EmergencyLog:
    """Accepts records like a journal, and never fails for lack of a disk. `path` is the file that it tries first."""

    def __init__(
        self,
        home: Path,
        run_id: str,
        *,
        epoch: int,
        now: Callable[[], Stamp],
        disk: Disk | None = None,
        redactor: Redactor | None = None,
        stream: TextIO | None = None,
    ) -> None:
        self.path = emergency_path(home, run_id)
        self._run = run_id
        self._epoch = epoch
        self._now = now
        self._disk = disk or OsDisk()
        self._mask = redactor.mask_data if redactor is not None else None
        self._stream = stream
        self._chain: codec.Chain | None = None
        self._handle: int | None = None

    def append(self, body: Body, *, sync: bool = True) -> Record:
        """Write one record to the file, or else to standard error as one line of JSON. Raises RecordRefused."""
        if self._chain is None:
            self._chain = self._open()
        record, line = codec.encode(
            body,
            seq=self._chain.seq,
            prev=self._chain.prev,
            run=self._run,
            epoch=self._epoch,
            at=self._now(),
            mask=self._mask,
        )
        if not self._is_kept(line, sync):
            stream = self._stream or sys.stderr
            with contextlib.suppress(OSError, ValueError):  # a closed terminal must not stop a release either
                stream.write(line.decode("ascii"))
                stream.flush()
        self._chain.follow(record)
        return record

    def close(self) -> None:
        """Close the file. A second call is harmless."""
        if self._handle is not None:
            self._disk.close(self._handle)
            self._handle = None

    def _open(self) -> codec.Chain:
        """Continue after the records of an earlier emergency of this run. A damaged file is set aside as a whole."""
        chain = codec.Chain()
        try:
            make_folder(self._disk, self.path.parent)
            reading = parse(self._disk.read(self.path)) if self._disk.stat(self.path) is not None else None
            if reading is not None and reading.damage is not None:
                self._disk.rename(self.path, free_name(self._disk, self.path, "damaged"))
                reading = None
            handle = self._disk.open_append(self.path) if reading is not None else self._disk.create(self.path)
        except OSError:
            return chain
        try:
            if reading is not None:
                self._disk.truncate(handle, reading.good_bytes)
            self._disk.sync_folder(self.path.parent)
        except OSError:
            self._disk.close(handle)
            return chain
        if reading is not None and reading.records:
            chain.follow(reading.records[-1])
        self._handle = handle
        return chain

    def _is_kept(self, line: bytes, sync: bool) -> bool:
        if self._handle is None:
            return False
        try:
            size = self._disk.status(self._handle).size
            if self._disk.write(self._handle, line) < len(line):
                self._disk.truncate(self._handle, size)
                return False
            if sync:
                self._disk.sync(self._handle)
        except OSError:
            self.close()
            return False
        return True
