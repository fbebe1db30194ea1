"""Which runs exist and what they owe: a cache with one small file for each run. It can be deleted at any time.

Journals are the truth. An entry is trusted only while its journal is the same file with the same size; otherwise the
journal is read again. Each run has its own file, written whole and renamed, so writers never collide.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from rpd.journal import tolerant
from rpd.journal.errors import JournalError
from rpd.journal.paths import folder_name, journals
from rpd.journal.reader import Reading, holds, parse, read_bytes, salvage_cloud
from rpd.journal.records import DebtChange
from rpd.journal.replay import fold

_FORMAT = 1


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A short summary of one run.

    `debts` are open debts. `problem` is empty, or why the journal cannot be trusted ("damaged", "too_new",
    "unreadable", "lost": records that were seen in it are gone, "missing": the journal existed once and is gone). An
    entry with a problem keeps what was known before: cloud, debts, outcome, head. `head` anchors the last record.
    `updated` and `started` are UTC (RFC 3339).
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
        """Whether more may happen: the run is not over, or owes something."""
        return self.outcome is None or bool(self.debts)


class Index:
    """The runs below one state home. `strays` are files among the journals that the last look skipped: their names are
    not UTF-8, and a journal's name always is.
    """

    def __init__(self, home: Path) -> None:
        self.strays: list[Path] = []
        self._home = home
        self._folder = home / "index"

    def entries(self) -> list[Entry]:
        """All runs, newest first, each as its journal says now."""
        cached = self._cached()
        found = []
        self.strays = []
        for path in journals(self._home):
            if not _is_text(path):
                self.strays.append(path)
                continue
            entry = cached.pop(str(path), None)
            if entry is None or entry.identity != _identity(path):
                entry = self._read_anew(path, entry)
            found.append(entry)
        ids = {entry.run_id for entry in found}
        gone = [entry for entry in cached.values() if entry.run_id not in ids]  # not if known by another path
        found += [msgspec.structs.replace(entry, problem="missing") for entry in gone]
        return sorted(found, key=lambda entry: (entry.started, entry.run_id), reverse=True)

    def find(self, name: str) -> list[Entry]:
        """The runs that `name` may mean, newest first: the run with that id, else runs whose ids begin with it, else
        runs of that workflow.
        """
        entries = self.entries()
        exact = [entry for entry in entries if entry.run_id == name]
        begun = [entry for entry in entries if name and entry.run_id.startswith(name)]
        return exact or begun or [entry for entry in entries if entry.workflow == name]

    def refresh(self, journal: Path) -> Entry:
        """Read one journal and remember its content."""
        entry = self.look(journal)
        with contextlib.suppress(OSError):  # a cache that cannot be written is no loss
            self._keep(entry)
        return entry

    def look(self, journal: Path) -> Entry:
        """The same, without remembering it."""
        return summary(journal, self._known(journal))

    def anchor(self, journal: Path) -> tuple[int, str] | None:
        """The last record of this journal that was ever seen here. An intact journal still holds it."""
        known = self._known(journal)
        return known.head if known is not None else None

    def forget(self, run_id: str) -> None:
        """Remove what is remembered about a run whose journal is gone for good."""
        (self._folder / f"{run_id}.json").unlink(missing_ok=True)

    def _read_anew(self, journal: Path, known: Entry | None) -> Entry:
        """Read one journal again. A journal that makes no sense must not hide the others."""
        try:
            return self.refresh(journal)
        except (JournalError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            strange = Entry(str(journal), journal.stem, problem="unreadable", identity=_identity(journal))
            return _recall(strange, known)

    def _cached(self) -> dict[str, Entry]:
        found = (_entry_in(file) for file in self._folder.glob("*.json"))
        return {entry.journal: entry for entry in found if entry is not None}

    def _known(self, journal: Path) -> Entry | None:
        entry = _entry_in(self._folder / f"{folder_name(journal.stem)}.json")
        if entry is None or entry.journal == str(journal):
            return entry
        return entry if Path(entry.journal).resolve() == journal.resolve() else None  # the same journal by another path

    def _keep(self, entry: Entry) -> None:
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        import tempfile  # only writers need it; readers start faster without it

        handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(entry))
            Path(temporary).replace(self._folder / f"{folder_name(entry.run_id)}.json")
        except OSError:
            Path(temporary).unlink()
            raise


def summary(journal: Path, known: Entry | None = None) -> Entry:
    """What one journal says, read now. For a journal with a problem: what its good part says, what was `known` before,
    and the `problem`.
    """
    identity = _identity(journal)
    try:
        data = read_bytes(journal)
    except JournalError:
        return _recall(Entry(str(journal), journal.stem, problem="unreadable", identity=identity), known)
    reading = parse(data)
    entry = _summary(journal, reading, data, identity)
    head = known.head if known is not None else None
    is_lost = not entry.problem and head is not None and not holds(reading.records, *head)
    return _recall(msgspec.structs.replace(entry, problem="lost") if is_lost else entry, known)


def _summary(journal: Path, reading: Reading, data: bytes, identity: tuple[int, int, int]) -> Entry:
    snapshot = fold(reading.records)
    opened, closed = reading.opened, snapshot.closed  # a run begins with record 0, whatever later records say
    if opened is None:
        cloud = salvage_cloud(data)
        return Entry(str(journal), journal.stem, cloud=cloud, problem=_problem(reading) or "damaged", identity=identity)
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


def _recall(entry: Entry, known: Entry | None) -> Entry:
    """A journal with a problem may say less than before. Its earlier debts are not forgotten."""
    if known is None or not entry.problem:
        return entry
    debts = {(debt.key, debt.kind): debt for debt in (*known.debts, *entry.debts)}
    is_behind = known.head is not None and (entry.head is None or entry.head[0] <= known.head[0])
    return msgspec.structs.replace(
        entry,
        workflow=entry.workflow or known.workflow,
        lineage=entry.lineage or known.lineage,
        lifecycle=entry.lifecycle or known.lifecycle,
        cloud=known.cloud or entry.cloud,  # what was read from the intact journal is more certain
        run_dir=entry.run_dir or known.run_dir,
        started=entry.started or known.started,
        outcome=entry.outcome or known.outcome,
        updated=entry.updated or known.updated,
        debts=tuple(debts.values()),
        head=known.head if is_behind else entry.head,
    )


def _entry_in(file: Path) -> Entry | None:
    try:
        entry = tolerant.decode(file.read_bytes(), Entry)
    except OSError:
        return None
    return entry if entry is not None and entry.format == _FORMAT else None


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(reading: Reading) -> str:
    if reading.damage is not None:
        return "damaged"
    return "too_new" if reading.too_new else ""


def _identity(path: Path) -> tuple[int, int, int]:
    """This is taken before the content is read: if the file grows meanwhile, the entry is read again next time."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
