"""Watching a journal that somebody else writes: without a lock, and aware that the file may become another one."""

from __future__ import annotations

from pathlib import Path

from rpd.journal.codec import Chain
from rpd.journal.errors import JournalDamaged
from rpd.journal.reader import parse, read_bytes
from rpd.journal.records import Record


class Follower:
    """Gives each record once, in order. `seq` is the number of the last one given, -1 before the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._chain = Chain()
        self._offset = 0

    @property
    def seq(self) -> int:
        """As of which record everything was given."""
        return self._chain.seq - 1

    def poll(self) -> list[Record]:
        """Records added since the last call; an unfinished line waits for the next one.

        Raises JournalDamaged, JournalMissing or JournalNotOurs. When the file is replaced, the chain proves
        that the new one goes on where this reader stands.
        """
        data = read_bytes(self.path)
        reading = parse(data[self._offset :], self._chain)
        if reading.damage is not None:
            damage = reading.damage
            raise JournalDamaged(
                damage.message, line=damage.line, offset=damage.offset + self._offset, hint=damage.hint
            )
        self._offset += reading.good_bytes
        return reading.records
