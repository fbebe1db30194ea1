"""All records of a run, wherever they are kept. The last report must be true also for a run whose journal could not be
written."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rpd.journal.errors import JournalError
from rpd.journal.paths import emergency_path
from rpd.journal.reader import Reading, read
from rpd.journal.records import Record
from rpd.journal.replay import fold
from rpd.journal.store import Journal


class RecordsSeen:
    """A listener that keeps every record: those in the journal, and those that the journal could not take."""

    def __init__(self, journal: Journal, home: Path) -> None:
        self._path = journal.path
        self._emergency = emergency_path(home, journal.run_id)
        self._records: list[Record] = list(journal.records)

    def recorded(self, record: Record) -> None:
        """Keep one more record."""
        self._records.append(record)

    def doing(self, what: str, deadline: float | None) -> None:
        """No record exists of this."""

    @property
    def owes(self) -> bool:
        """Whether something may still compute."""
        return any(kind == "compute" for _, kind in fold(self._records).debts)

    def reading(self) -> tuple[Reading, str | None]:
        """The journal with all records seen, and the place of the records that the journal does not have."""
        reading = read(self._path)
        last = self._records[-1].z
        if any(record.z == last for record in reading.records):
            return reading, None
        where = str(self._emergency) if _holds(self._emergency, last) else "the lines above, one record each"
        return msgspec.structs.replace(reading, records=self._records), where


def _holds(path: Path, z: str) -> bool:
    try:
        return any(record.z == z for record in read(path).records)
    except JournalError:
        return False
