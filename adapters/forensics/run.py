"""One run, loaded from its journal or from the folder it left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rpd.adapters.forensics.row import RunRow, row_of_manifest
from rpd.adapters.local.workspace import EVENTS_NAME, MANIFEST_NAME
from rpd.adapters.report.inspection import Inspection
from rpd.engine.deadline import elapsed
from rpd.engine.errors import UserError
from rpd.journal import tolerant
from rpd.journal.errors import JournalError
from rpd.journal.reader import Reading, read
from rpd.journal.records import Closed, Stamp

OLDER_MANIFEST_NAMES = ("runpod_pull_manifest.json", "manifest.json")
METRICS_NAME = "metrics.jsonl"


class LoadedRun:
    """A run with everything that was found of it. `manifest` is the folder's own, `reading` its journal's; each may be
    missing. Nothing here changes anything."""

    def __init__(self, folder: Path | None, manifest: dict[str, Any] | None, reading: Reading | None) -> None:
        self.folder = folder
        self.manifest = manifest
        self.reading = reading

    def row(self, now: Stamp) -> RunRow:
        """The run at a glance. Raises JournalError when its journal makes no sense and there is no manifest."""
        if self.reading is not None:
            try:
                return row_of_journal(self.reading, now)
            except JournalError:
                if self.manifest is None:
                    raise
        assert self.manifest is not None, "one of the two was found"
        return row_of_manifest(self.manifest, str(self.folder))

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of the journal, or of an older `events.jsonl`, as plain data: each has `ts_utc` and `event`."""
        if self.folder is None:
            return iter(())
        return lines_of(self.folder if self.folder.is_file() else self.folder / EVENTS_NAME)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The rows of `metrics.jsonl`: samples of GPU, CPU, memory and disk."""
        if self.folder is None:
            return iter(())
        opened = self.reading.opened if self.reading is not None else None
        folder = Path(opened.run_dir) if self.folder.is_file() and opened is not None else self.folder
        return lines_of(folder / METRICS_NAME)


def load(path: Path) -> LoadedRun:
    """The run of a run folder, a manifest or a journal. Raises UserError when there is none, JournalError when a
    journal cannot be read."""
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    if path.suffix == ".json":
        manifest = _manifest(path)
        if manifest is None:
            raise UserError(f"{path} is no manifest of a run")
        found = _of_folder(path.parent)
        return LoadedRun(path.parent, manifest, found.reading)
    return LoadedRun(path, None, read(path))


def folders(root: Path) -> Iterator[Path]:
    """Run folders below `root`, the newest name first: folders with a manifest or an `events.jsonl`."""
    try:
        below = sorted((each for each in root.iterdir() if each.is_dir()), reverse=True)
    except OSError as error:
        raise UserError(f"{root} cannot be read: {error.strerror}") from error
    names = (MANIFEST_NAME, *OLDER_MANIFEST_NAMES, EVENTS_NAME)
    return (folder for folder in below if any((folder / name).is_file() for name in names))


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """JSON lines; what is no JSON object is passed over."""
    try:
        with path.open("rb") as file:
            for line in file:
                row = tolerant.decode(line)
                if isinstance(row, dict):
                    yield row
    except OSError:
        return


def row_of_journal(reading: Reading, now: Stamp) -> RunRow:
    """A row of a journal. Raises JournalError."""
    inspection = Inspection(reading, now)
    facts, closed, pod = inspection.facts, inspection.snapshot.closed, inspection.pod()
    # A hand-over or a late release may follow the end.
    end = next((record.at for record in reading.records if isinstance(record.body, Closed)), now)
    resumed = next(reversed(facts.pods.values()), None)
    return RunRow(
        run_id=facts.run_id,
        workflow=facts.opened.workflow,
        source="journal",
        started=reading.records[0].ts_utc,
        state=str(facts.state),
        outcome=closed.outcome if closed else None,
        reason=closed.reason if closed else (str(facts.reason) if facts.reason else None),
        exit_code=facts.claim.exit_code if facts.claim else None,
        gpu=pod["gpu"] if pod else None,
        datacenter=pod["datacenter"] if pod else None,
        pod_id=pod["id"] if pod else None,
        pod_resumed=resumed.taken is not None if resumed else None,
        usd_per_hour=pod["usd_per_hour"] if pod else None,
        wall_seconds=round(elapsed(facts.started, end), 3) if facts.started else None,
        cost_usd=closed.cost_usd if closed and closed.cost_usd is not None else inspection.document()["cost_usd"],
        run_dir=facts.opened.run_dir,
        journal=facts.opened.journal_path,
    )


def _of_folder(folder: Path) -> LoadedRun:
    manifest = next(
        (found for name in (MANIFEST_NAME, *OLDER_MANIFEST_NAMES) if (found := _manifest(folder / name)) is not None),
        None,
    )
    reading = None
    try:
        reading = read(folder / EVENTS_NAME)
    except JournalError:
        reading = None
    if reading is not None and reading.opened is None:  # the older tool's events are no journal
        reading = None
    if manifest is None and reading is None:
        raise UserError(f"{folder} holds neither {MANIFEST_NAME} nor a journal")
    return LoadedRun(folder, manifest, reading)


def _manifest(path: Path) -> dict[str, Any] | None:
    try:
        found = tolerant.decode(path.read_bytes())
    except OSError:
        return None
    return found if isinstance(found, dict) and found.keys() & {"run_id", "job_name", "pod_id"} else None
