"""Which runs there are and what they owe: a cache of one small file per run that can be thrown away at any time.

Journals are the truth. An entry is believed only while its journal is the same file with the same size; otherwise the
journal is read again. Each run has its own file, written whole and renamed, so writers never meet.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from rpd.journal.errors import JournalError
from rpd.journal.paths import folder_name, journals
from rpd.journal.reader import Reading, parse, read_bytes
from rpd.journal.records import DebtChange
from rpd.journal.replay import fold

_FORMAT = 1


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run at a glance.

    `debts` are open ones. `problem` is empty, or why the journal is not to be trusted ("damaged", "too_new",
    "unreadable", "missing": it was there once and is gone; what it owed then is still in `debts`). `head` anchors the
    last record. `updated` and `started` are UTC (RFC 3339).
    """

    journal: str
    run_id: str
    workflow: str = ""
    lineage: str = ""
    lifecycle: str = ""
    cloud: dict[str, str] = {}
    run_dir: str = ""
    state: str | None = None
    outcome: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    debts: tuple[DebtChange, ...] = ()
    started: str = ""
    updated: str = ""
    epoch: int = 0
    head: tuple[int, str] | None = None
    problem: str = ""
    identity: tuple[int, int, int] = (0, 0, 0)
    format: int = _FORMAT

    @property
    def is_open(self) -> bool:
        """Whether something may still happen: the run is not over, or owes."""
        return self.outcome is None or bool(self.debts)


class Index:
    """The runs below one state home."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / "index"

    def entries(self) -> list[Entry]:
        """All runs, newest first, each as its journal says now."""
        cached = self._cached()
        found = []
        for path in journals(self._home):
            entry = cached.pop(str(path), None)
            if entry is None or entry.identity != _identity(path):
                entry = self.refresh(path)
            found.append(entry)
        found += [msgspec.structs.replace(entry, problem="missing") for entry in cached.values()]
        return sorted(found, key=lambda entry: (entry.started, entry.run_id), reverse=True)

    def find(self, name: str) -> list[Entry]:
        """The runs `name` may mean, newest first: that run id, else ids that begin so, else that workflow's."""
        entries = self.entries()
        exact = [entry for entry in entries if entry.run_id == name]
        begun = [entry for entry in entries if name and entry.run_id.startswith(name)]
        return exact or begun or [entry for entry in entries if entry.workflow == name]

    def refresh(self, journal: Path) -> Entry:
        """Read one journal and remember what it says."""
        entry = summary(journal)
        with contextlib.suppress(OSError):  # a cache that cannot be kept is no loss
            self._keep(entry)
        return entry

    def forget(self, run_id: str) -> None:
        """Drop what is remembered of a run whose journal is gone for good."""
        (self._folder / f"{run_id}.json").unlink(missing_ok=True)

    def rebuild(self) -> list[Entry]:
        """Throw the cache away and make it from the journals alone."""
        for file in self._folder.glob("*.json"):
            file.unlink(missing_ok=True)
        return self.entries()

    def _cached(self) -> dict[str, Entry]:
        entries = {}
        for file in self._folder.glob("*.json"):
            try:
                entry = msgspec.json.decode(file.read_bytes(), type=Entry)
            except (OSError, msgspec.DecodeError, RecursionError):
                continue
            if entry.format == _FORMAT:
                entries[entry.journal] = entry
        return entries

    def _keep(self, entry: Entry) -> None:
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        import tempfile  # only writers need it, and readers start faster without

        handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(entry))
            Path(temporary).replace(self._folder / f"{folder_name(entry.run_id)}.json")
        except OSError:
            Path(temporary).unlink()
            raise


def summary(journal: Path) -> Entry:
    """What one journal says, read now; a journal in trouble gives what its good part says, and the `problem`."""
    identity = _identity(journal)
    try:
        reading = parse(read_bytes(journal))
    except JournalError:
        return Entry(str(journal), journal.stem, problem="unreadable", identity=identity)
    snapshot = fold(reading.records)
    opened, closed = snapshot.opened, snapshot.closed
    if opened is None:
        return Entry(str(journal), journal.stem, problem=_problem(reading) or "damaged", identity=identity)
    return Entry(
        journal=str(journal),
        run_id=snapshot.run_id,
        workflow=opened.workflow,
        lineage=opened.lineage,
        lifecycle=opened.lifecycle,
        cloud=opened.cloud,
        run_dir=opened.run_dir,
        state=snapshot.state,
        outcome=closed.outcome if closed else None,
        reason=closed.reason if closed else snapshot.reason,
        exit_code=closed.exit_code if closed else None,
        debts=tuple(debt.change for debt in snapshot.debts.values()),
        started=reading.records[0].ts_utc,
        updated=reading.records[-1].ts_utc,
        epoch=snapshot.epoch,
        head=snapshot.head,
        problem=_problem(reading),
        identity=identity,
    )


def _problem(reading: Reading) -> str:
    if reading.damage is not None:
        return "damaged"
    return "too_new" if reading.too_new else ""


def _identity(path: Path) -> tuple[int, int, int]:
    """Taken before the content is read: if it grows meanwhile, the entry is read again next time."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
