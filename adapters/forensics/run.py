"""One run, loaded from its journal or from the folder it left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.access.gate import journal_at, run_folder
from rpd.adapters.access.judgement import judged
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.forensics.job_phases import JobPhase, steps_of
from rpd.adapters.forensics.row import RunRow, row_of_manifest
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.pod.step_log import STEPS_NAME
from rpd.adapters.report.why import words_of
from rpd.adapters.run_folder.workspace import EVENTS_NAME, MANIFEST_NAME
from rpd.engine.deadline import elapsed
from rpd.engine.errors import UserError
from rpd.journal import tolerant
from rpd.journal.errors import JournalError
from rpd.journal.index import Entry
from rpd.journal.paths import leads_to_journal
from rpd.journal.reader import Reading
from rpd.journal.records import Closed, Stamp
from rpd.states.policy.doubts import doubts
from rpd.states.policy.verdict import is_left
from rpd.states.ports.job import RUNS_BELOW

MANIFEST_NAMES = (MANIFEST_NAME, "runpod_pull_manifest.json", "manifest.json")
"""rpd takes the first readable one; the later names are older."""
METRICS_NAME = "metrics.jsonl"
SAMPLES_BELOW = "telemetry"
"""The subfolder in which a run keeps the samples. Older tools kept them in the run folder itself."""


class LoadedRun:
    """A run with everything that was found of it. `manifest` is that of the folder, `reading` that of its journal; each
    may be missing. Nothing here changes anything."""

    def __init__(self, folder: Path | None, manifest: dict[str, Any] | None, reading: Reading | None) -> None:
        self.folder = folder
        self.manifest = manifest
        self.reading = reading

    def row(self, now: Stamp) -> RunRow:
        """The run as one row. Raises JournalError if its journal makes no sense and there is no manifest."""
        if self.reading is not None:
            try:
                return row_of_journal(self.reading, now)
            except JournalError:
                if self.manifest is None:
                    raise
        began = next(self.events(), {}).get("ts_utc")
        started = began if isinstance(began, str) else None
        if self.manifest is not None:
            row = row_of_manifest(self.manifest, str(self.folder))
            is_known = "started_at_utc" in self.manifest or started is None
            return row if is_known else msgspec.structs.replace(row, started=started)
        assert self.folder is not None, "a run without journal and manifest is a folder with events"
        return RunRow(
            run_id=self.folder.name,
            workflow="?",
            source="events",
            started=started,
            run_dir=str(self.folder),
            problem=f"no readable {MANIFEST_NAME}",
        )

    def why(self, row: RunRow) -> str | None:
        """Why the run of this row ended as it did, and what to do, in plain words. None for a success, and if the
        reason is not known."""
        if not row.failed:
            return None
        if self.reading is not None:
            with contextlib.suppress(JournalError):
                return Inspection(self.reading, SystemClock().now()).why()
        return words_of(row.reason)

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of the journal, or of an older `events.jsonl`, as plain data: each has `ts_utc` and `event`."""
        if self.folder is None:
            return iter(())
        return lines_of(self.folder if self.folder.is_file() else self.folder / EVENTS_NAME)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The rows of `metrics.jsonl`: samples of GPU, CPU, memory and disk."""
        folder = self.files_folder()
        return iter(()) if folder is None else lines_of(metrics_file(folder))

    def phase_marks(self) -> list[dict[str, Any]]:
        """The phase marks in the job's log: rows of `steps.jsonl`, in their order."""
        folder = self.files_folder()
        return [] if folder is None else list(lines_of(folder / STEPS_NAME))

    def steps(self) -> list[JobPhase]:
        """The steps of the job, from its log. Older tools have the marks among the events."""
        return steps_of(self.phase_marks() or self.events())

    def files_folder(self) -> Path | None:
        """The folder of its files now. None if no trusted source names it."""
        if self.folder is None:
            return None
        opened = self.reading.opened if self.reading is not None else None
        return run_folder(self.folder, opened) if self.folder.is_file() and opened is not None else self.folder


def metrics_file(folder: Path) -> Path:
    """The file with the samples of a run folder."""
    older = folder / METRICS_NAME
    return older if older.is_file() else folder / SAMPLES_BELOW / METRICS_NAME


def load(path: Path) -> LoadedRun:
    """The run of a run folder, a manifest or a journal. Raises UserError if there is none, JournalError if a journal
    cannot be read."""
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    manifest = _manifest(path)
    if manifest is not None and "journal" not in manifest:  # a pointer file names a pod as well
        return LoadedRun(path.parent, manifest, _reading_of(path.parent, manifest.get("run_id")))
    if path.name in MANIFEST_NAMES or (path.name == EVENTS_NAME and _reading(path) is None):
        return _of_folder(path.parent)
    journal = journal_at(path)
    return LoadedRun(journal, None, judged(journal))


def holds_run(path: Path) -> bool:
    """Whether `load` would find a run there: a journal, a manifest, or a folder with either."""
    if leads_to_journal(path):
        return True
    files = [path / name for name in MANIFEST_NAMES] if path.is_dir() else [path]
    return any(file.suffix == ".json" and file.is_file() and _manifest(file) is not None for file in files)


def folders(root: Path) -> Iterator[Path]:
    """Run folders below `root`, the newest name first: folders with a manifest or an `events.jsonl`. A project's root
    stands for its `artifacts/runpod`."""
    start = root / RUNS_BELOW if (root / RUNS_BELOW).is_dir() else root
    try:
        below = sorted((each for each in start.iterdir() if each.is_dir()), reverse=True)
    except OSError as error:
        raise UserError(f"{root} cannot be read: {error.strerror}") from error
    return (folder for folder in below if any((folder / name).is_file() for name in (*MANIFEST_NAMES, EVENTS_NAME)))


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """JSON lines. Lines that are not a JSON object are skipped."""
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
    problem = problem_of(reading)
    if problem is not None and reading.records:
        now = reading.records[-1].at  # what came after the good part is not known
    inspection = Inspection(reading, now)
    facts, closed, pod = inspection.facts, inspection.snapshot.closed, inspection.pod()
    # A hand-over or a late release may follow the end.
    end = next((record.at for record in reading.records if isinstance(record.body, Closed)), now)
    resumed = facts.last_pod
    return RunRow(
        run_id=facts.run_id,
        workflow=facts.opened.workflow,
        source="journal",
        started=reading.records[0].ts_utc,
        state=str(facts.state),
        outcome=closed.outcome if closed else inspection.outcome(),
        reason=closed.reason if closed else (str(facts.ending.reason) if facts.ending.reason else None),
        exit_code=facts.launch.claim.exit_code if facts.launch.claim else None,
        gpu=pod["gpu"] if pod else None,
        datacenter=pod["datacenter"] if pod else None,
        pod_id=pod["id"] if pod else None,
        pod_resumed=resumed.origin.paused is not None if resumed else None,
        usd_per_hour=pod["usd_per_hour"] if pod else None,
        wall_seconds=round(elapsed(facts.progress.started, end), 3) if facts.progress.started else None,
        cost_usd=closed.cost_usd if closed and closed.cost_usd is not None else inspection.cost_usd(),
        run_dir=facts.opened.run_dir,
        journal=facts.opened.journal_path,
        problem=problem,
        is_left=is_left(facts),
        doubts=tuple(seen.line for seen in doubts(facts)),
    )


def problem_of(reading: Reading) -> str | None:
    """Why a journal is incomplete."""
    if reading.damage is not None:
        return reading.damage.message
    return "written by a newer rpd" if reading.too_new else None


def loaded_of_known(entry: Entry, now: Stamp) -> tuple[LoadedRun | None, RunRow]:
    """The run of an index entry, however damaged its journal is, also if the journal has lost records since it was
    seen. If no run can be read there, None and what the index knows."""
    path = Path(entry.journal)
    try:
        reading = judged(path)
        if reading.opened is None:
            return None, _row_of_entry(entry, problem_of(reading) or "the journal holds no run")
        return LoadedRun(path, None, reading), row_of_journal(reading, now)
    except JournalError as error:
        return None, _row_of_entry(entry, error.message)


def _row_of_entry(entry: Entry, problem: str) -> RunRow:
    """What the index still knows of a run whose journal cannot be read."""
    return RunRow(
        run_id=entry.run_id,
        workflow=entry.workflow or "?",
        source="journal",
        started=entry.started or None,
        state=entry.state,
        outcome=entry.outcome,
        reason=entry.reason,
        run_dir=entry.run_dir or None,
        journal=entry.journal,
        problem=problem,
    )


def _of_folder(folder: Path) -> LoadedRun:
    named = (_manifest(folder / name) for name in MANIFEST_NAMES)
    manifest = next((found for found in named if found is not None), None)
    found = LoadedRun(folder, manifest, _reading_of(folder, manifest.get("run_id") if manifest is not None else None))
    if manifest is None and found.reading is None and next(found.events(), None) is None:
        raise UserError(f"{folder} holds no run: no {MANIFEST_NAME}, journal or events")
    return found


def _reading_of(folder: Path, run_id: Any) -> Reading | None:
    """The journal of a run folder, unless the manifest beside it belongs to another run."""
    reading = _reading(folder / EVENTS_NAME)
    return None if reading is not None and run_id not in (None, reading.records[0].run) else reading


def _reading(events: Path) -> Reading | None:
    """The journal that an `events.jsonl` is, or is a copy of. None for the file of the older tool, which is not a
    journal."""
    try:
        reading = judged(journal_at(events))
    except JournalError:
        return None
    return reading if reading.opened is not None else None


def _manifest(path: Path) -> dict[str, Any] | None:
    try:
        found = tolerant.decode(path.read_bytes())
    except OSError:
        return None
    return found if isinstance(found, dict) and found.keys() & {"run_id", "job_name", "pod_id"} else None
