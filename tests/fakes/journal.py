"""A journal in memory with the real codec: what is durable is bytes, and a new process knows nothing else."""

from __future__ import annotations

from collections.abc import Callable

from rpd.journal import codec
from rpd.journal.errors import JournalUnwritable
from rpd.journal.records import Body, Record, Stamp
from tests.fakes.fuse import Fuse

RECORDS_MAX = 3000


class MemoryJournal:
    """One run's journal. `refuse` may raise in place of an append; the disk is full after `full_after` records."""

    def __init__(self, run_id: str, now: Callable[[], Stamp]) -> None:
        self.lines: list[bytes] = []
        self.fuse = Fuse()
        self.refuse: Callable[[Body], None] = lambda body: None
        self.full_after: int | None = None
        self._run_id, self._now = run_id, now
        self._chain = codec.Chain()
        self._epoch = 0

    def open(self) -> list[Record]:
        """What a new process reads; its own records belong to the next epoch."""
        self._chain, self._epoch = codec.Chain(), self._epoch + 1
        return self._read(self._chain)

    def append(self, body: Body, *, sync: bool = True) -> Record:
        self.refuse(body)
        if self.full_after is not None and len(self.lines) >= self.full_after:
            raise JournalUnwritable("disk full")
        assert len(self.lines) < RECORDS_MAX, f"the run goes in circles: {[self.events()[-20:]]}"
        record, line = codec.encode(
            body,
            seq=self._chain.seq,
            prev=self._chain.prev,
            run=self._run_id,
            epoch=self._epoch,
            at=self._now(),
        )
        self.fuse.reach(f"before write of {record.event}")
        self.fuse.reach(f"written, not synced, lost: {record.event}")
        self._chain.follow(record)
        self.lines.append(line)
        self.fuse.reach(f"after sync of {record.event}")
        return record

    def records(self) -> list[Record]:
        return self._read(codec.Chain())

    def events(self) -> list[str]:
        return [record.event for record in self.records()]

    def _read(self, chain: codec.Chain) -> list[Record]:
        return [chain.take(line.rstrip(b"\n")) for line in self.lines]
