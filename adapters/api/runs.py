"""Runs as objects: their state, their cost, their debts, and their results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from rpd.adapters.access.gate import journal_at
from rpd.adapters.api.events import Recorded, recorded_in
from rpd.adapters.api.telling import without_secrets
from rpd.adapters.forensics.inspection import Inspection
from rpd.adapters.forensics.row import RunRow
from rpd.adapters.forensics.run import LoadedRun
from rpd.adapters.forensics.timeline import wall_of
from rpd.journal.records import Stamp
from rpd.states.policy.manifest import manifest


class Debt(msgspec.Struct, frozen=True):
    """A part of a run that costs money now, or may: a pod that computes ("compute"), or the disk of a stopped pod
    ("storage"). `pod` is the name of the pod, `since` is UTC (RFC 3339), and `usd_per_hour` is in USD (None: not
    known)."""

    pod: str
    kind: Literal["compute", "storage"]
    since: str
    usd_per_hour: float | None


class Artifact(msgspec.Struct, frozen=True):
    """One artifact of the job file. `path` is its destination according to the run's journal: an absolute path of the
    machine that started the run, or a bucket. `status` is "success" (it is there, verified), "missing" (the pod had
    none), "failed" (it is not there, or incomplete: see `error`), or "open" (the run is not over). `files` and `bytes`
    are None if nothing arrived."""

    label: str
    path: str
    status: Literal["success", "missing", "failed", "open"]
    files: int | None
    bytes: int | None
    error: str | None


class Run:
    """One run, in its state when this object was made. `Run(run.id)` reads it again. A `Run` only reads, and takes no
    lock."""

    __slots__ = ("_at", "_loaded", "_row")

    @without_secrets
    def __init__(self, run: str | Path) -> None:
        """Find a run by the same words as the commands: its id, a unique beginning of its id, a workflow's name (its
        newest run), or the path of its run folder, journal or manifest. A `Path`, or a text with a `/`, is a path.
        Raises UserError if `run` does not mean exactly one run, and JournalError if its journal makes no sense."""
        from rpd.adapters.local.clock import SystemClock
        from rpd.adapters.runs.finding import loaded_run

        self._loaded: LoadedRun | None = loaded_run(word_for(run))
        self._at: Stamp = SystemClock().now()
        self._row: RunRow = self._loaded.row(self._at)

    @classmethod
    def _of(cls, loaded: LoadedRun | None, row: RunRow, at: Stamp) -> Run:
        made = cls.__new__(cls)
        made._loaded, made._row, made._at = loaded, row, at
        return made

    def __repr__(self) -> str:
        return f"<rpd.Run {self.id}: {self.outcome or self.state or 'unknown'}>"

    @property
    def id(self) -> str:
        """The unique id of the run."""
        return self._row.run_id

    @property
    def workflow(self) -> str:
        """The name of the job."""
        return self._row.workflow

    @property
    def journal(self) -> Path | None:
        """The journal from which this object was read. None if only a run folder without a journal was found."""
        if self._loaded is None:
            return Path(self._row.journal) if self._row.journal is not None else None  # from the index
        # Do not use the path in record 0: a journal from another person may name another run's journal.
        if self._loaded.folder is None or self._loaded.reading is None:
            return None
        return journal_at(self._loaded.folder)

    @property
    def folder(self) -> Path | None:
        """The run folder, with manifest, log and results. None if only a journal of another person was found."""
        if self._loaded is None:
            return Path(self._row.run_dir) if self._row.run_dir is not None else None
        return self._loaded.files_folder()

    @property
    def started(self) -> str | None:
        """When the run began: UTC (RFC 3339)."""
        return self._row.started

    @property
    def seconds(self) -> float | None:
        """How long the run took, or has taken so far."""
        return self._row.wall_seconds

    @property
    def state(self) -> str | None:
        """The state of the run in the machine of docs/architecture.md: "create", "monitor", ..., "done"."""
        return self._row.state

    @property
    def outcome(self) -> str | None:
        """How the run ended: "succeeded", "failed", "cancelled", "refused", "lost", ...; None while it is not over."""
        return self._row.outcome

    @property
    def reason(self) -> str | None:
        """The reason for the end, as one of the words of docs/exit-codes.md."""
        return self._row.reason

    @property
    def why(self) -> str | None:
        """The reason as a sentence for people. None after a success and while the run goes on."""
        return self._loaded.why(self._row) if self._loaded is not None else None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the job's own script. None if the script has not ended, or if its exit code is not known."""
        return self._row.exit_code

    @property
    def cost_usd(self) -> float | None:
        """The estimated cost of the run's pods up to its end, or up to now, in USD. None: not known."""
        return self._row.cost_usd

    @property
    def debts(self) -> tuple[Debt, ...]:
        """What costs money now, or may, oldest first. Empty if `problem` says that this cannot be known."""
        inspection = self._inspection()
        if inspection is None:
            return ()
        return tuple(
            Debt(each["key"], each["kind"], each["since"], each["usd_per_hour"]) for each in inspection.debts()
        )

    @property
    def is_released(self) -> bool | None:
        """Whether the journal proves that no pod of the run computes any more. The disk of a stopped pod may still cost
        (`debts`). None if the journal cannot say: it is damaged, or only a run folder was found."""
        if self._row.problem is not None or self._inspection() is None:
            return None
        return not any(debt.kind == "compute" for debt in self.debts)

    @property
    def problem(self) -> str | None:
        """The problem with the data that was read. A damaged journal gives only its good part."""
        return self._row.problem

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts that the job file names, in that order, with the result of each."""
        from rpd.adapters.runs.finding import manifest_beside

        inspection = self._inspection()
        if inspection is not None:
            known = manifest(inspection.facts, self._at)
        else:
            known = (self._loaded.manifest or manifest_beside(self._loaded) or {}) if self._loaded is not None else {}
        is_open = self.outcome is None and self._row.source == "journal"
        found = known.get("artifacts")
        return tuple(_artifact(each, is_open=is_open) for each in found or () if isinstance(each, dict))

    def events(self) -> Iterator[Recorded]:
        """The events of the run, oldest first: the verified records of its journal, as a listener gets them, or the
        lines of the folder of an older tool. Raises JournalError if a record makes no sense."""
        if self._loaded is None:
            return iter(())
        reading = self._loaded.reading
        if reading is not None and reading.opened is not None:
            return recorded_in(reading.opened, reading.records)
        return (
            Recorded(self.id, number, wall_of(row), str(row.get("event", "")), None, "", None, row)
            for number, row in enumerate(self._loaded.events())
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The samples from the time when the job ran, one row for each moment: the lines of
        `telemetry/metrics.jsonl`."""
        return self._loaded.metrics() if self._loaded is not None else iter(())

    def row(self) -> dict[str, Any]:
        """The run as one row of a table: `pandas.DataFrame(run.row() for run in rpd.runs())`. Its fields are those of
        `rpd runs --json`, with the run folder as `run_dir`."""
        return dict(msgspec.to_builtins(self._row))

    def _inspection(self) -> Inspection | None:
        reading = self._loaded.reading if self._loaded is not None else None
        return Inspection(reading, self._at) if reading is not None and reading.opened is not None else None


def word_for(run: str | Path) -> str:
    """The word for this run, as a command takes it. Raises TypeError, because a command would take None as the one run
    that exists."""
    if not isinstance(run, str | Path):
        raise TypeError(f"a run is named by a text or a path, not by {run!r}")
    return str(run.absolute()) if isinstance(run, Path) else run


@without_secrets
def runs(root: str | Path | None = None) -> Iterator[Run]:
    """Every run of this state home ($RPD_HOME, else the user's), newest first. With `root`: every run folder below that
    folder, also those of runpod-deploy. Runs with a damaged journal are included: see `Run.problem`. Raises UserError
    if the folder cannot be read."""
    from rpd.adapters.forensics.listing import known_runs
    from rpd.adapters.local.clock import SystemClock

    at = SystemClock().now()
    return (Run._of(loaded, row, at) for loaded, row in known_runs(Path(root) if root is not None else None))


def _artifact(told: dict[str, Any], *, is_open: bool) -> Artifact:
    """Read one artifact from a manifest, of rpd or of another tool."""

    def count(name: str) -> int | None:
        value = told.get(name)
        return value if isinstance(value, int) else None

    status = told.get("status")
    is_here = status in ("success", "missing")
    error = told.get("error")
    return Artifact(
        label=str(told.get("label")),
        path=str(told.get("local_path")),
        status=status if is_here else "open" if is_open else "failed",  # type: ignore[arg-type]
        files=count("files"),
        bytes=count("bytes_transferred"),
        error=error if isinstance(error, str) and not is_open else None,
    )
