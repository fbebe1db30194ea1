"""Runs as objects: what they are, what they cost, what they owe, and what they brought."""

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
    """Something of a run that costs money now, or may: a pod that computes ("compute"), or the disk of a stopped one
    ("storage"). `pod` is its name, `since` UTC (RFC 3339), `usd_per_hour` USD (None: not known)."""

    pod: str
    kind: Literal["compute", "storage"]
    since: str
    usd_per_hour: float | None


class Artifact(msgspec.Struct, frozen=True):
    """One artifact of the job file. `path` is where it was to be, as the run's journal says: an absolute path of the
    machine that the run was started on, or a bucket. `status` is
    "success" (it is there, verified), "missing" (the pod had none), "failed" (it is not there, or not all of it: see
    `error`), or "open" (the run is not over). `files` and `bytes` are None where nothing came."""

    label: str
    path: str
    status: Literal["success", "missing", "failed", "open"]
    files: int | None
    bytes: int | None
    error: str | None


class Run:
    """One run, as it stood when this object was made; `Run(run.id)` looks again. It only reads, and takes no lock."""

    __slots__ = ("_at", "_loaded", "_row")

    @without_secrets
    def __init__(self, run: str | Path) -> None:
        """Find a run by what the commands take for one: its id, a unique beginning of it, a workflow's name (its newest
        run), or the path of its run folder, journal or manifest. A `Path`, and a text with a `/`, is a path. Raises
        UserError where that is not one run, JournalError where its journal makes no sense."""
        from rpd.adapters.cli.arguments.loading import loaded_run
        from rpd.adapters.local.clock import SystemClock

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
        """The run's id: no other run has it."""
        return self._row.run_id

    @property
    def workflow(self) -> str:
        """The name of its job."""
        return self._row.workflow

    @property
    def journal(self) -> Path | None:
        """The journal that this was read from; None where only a run folder without one was found."""
        if self._loaded is None:
            return Path(self._row.journal) if self._row.journal is not None else None  # the index's own word
        # Not what record 0 says: a journal that somebody sent may name another run's.
        if self._loaded.folder is None or self._loaded.reading is None:
            return None
        return journal_at(self._loaded.folder)

    @property
    def folder(self) -> Path | None:
        """The run folder: manifest, log and results. None where only a journal of somebody else was found."""
        if self._loaded is None:
            return Path(self._row.run_dir) if self._row.run_dir is not None else None
        return self._loaded.files_folder()

    @property
    def started(self) -> str | None:
        """When it began: UTC (RFC 3339)."""
        return self._row.started

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken so far."""
        return self._row.wall_seconds

    @property
    def state(self) -> str | None:
        """Where it stands in the machine of docs/architecture.md: "create", "monitor", ..., "done"."""
        return self._row.state

    @property
    def outcome(self) -> str | None:
        """How it ended: "succeeded", "failed", "cancelled", "refused", "lost", ...; None while it is not over."""
        return self._row.outcome

    @property
    def reason(self) -> str | None:
        """Why, as one of the words of docs/exit-codes.md."""
        return self._row.reason

    @property
    def why(self) -> str | None:
        """The same as a sentence for people; None for a success, and while the run goes on."""
        from rpd.adapters.cli.reading.summary import why_of

        return why_of(self._loaded, self._row) if self._loaded is not None else None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the job's own script; None where it has not ended, or nobody knows."""
        return self._row.exit_code

    @property
    def cost_usd(self) -> float | None:
        """What its pods have cost up to its end, or up to now: estimated, USD. None: not known."""
        return self._row.cost_usd

    @property
    def debts(self) -> tuple[Debt, ...]:
        """What of it costs money now, or may, oldest first. Empty where `problem` says that nobody can know."""
        inspection = self._inspection()
        if inspection is None:
            return ()
        return tuple(
            Debt(each["key"], each["kind"], each["since"], each["usd_per_hour"]) for each in inspection.debts()
        )

    @property
    def is_released(self) -> bool | None:
        """Whether nothing of it computes any more, as its journal proves; a stopped pod's disk may cost on (`debts`).
        None where the journal cannot say: it is damaged, or only a run folder was found."""
        if self._row.problem is not None or self._inspection() is None:
            return None
        return not any(debt.kind == "compute" for debt in self.debts)

    @property
    def problem(self) -> str | None:
        """What is wrong with what was read: a damaged journal tells of its good part only."""
        return self._row.problem

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts that its job file names, in that order, and what became of each."""
        from rpd.adapters.cli.arguments.loading import manifest_beside

        inspection = self._inspection()
        if inspection is not None:
            known = manifest(inspection.facts, self._at)
        else:
            known = (self._loaded.manifest or manifest_beside(self._loaded) or {}) if self._loaded is not None else {}
        is_open = self.outcome is None and self._row.source == "journal"
        found = known.get("artifacts")
        return tuple(_artifact(each, is_open=is_open) for each in found or () if isinstance(each, dict))

    def events(self) -> Iterator[Recorded]:
        """What happened, oldest first: the verified records of its journal, as a listener heard them; or the lines of
        the folder that an older tool has left. Raises JournalError where a record makes no sense."""
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
        """What was sampled while the job ran, a row for each moment: the lines of `telemetry/metrics.jsonl`."""
        return self._loaded.metrics() if self._loaded is not None else iter(())

    def row(self) -> dict[str, Any]:
        """The run as one row of a table: `pandas.DataFrame(run.row() for run in rpd.runs())`. Its fields are those of
        `rpd runs --json`, with the run folder as `run_dir`."""
        return dict(msgspec.to_builtins(self._row))

    def _inspection(self) -> Inspection | None:
        reading = self._loaded.reading if self._loaded is not None else None
        return Inspection(reading, self._at) if reading is not None and reading.opened is not None else None


def word_for(run: str | Path) -> str:
    """What a command takes for it. Raises TypeError: None would mean to a command the one run that there is."""
    if not isinstance(run, str | Path):
        raise TypeError(f"a run is named by a text or a path, not by {run!r}")
    return str(run.absolute()) if isinstance(run, Path) else run


@without_secrets
def runs(root: str | Path | None = None) -> Iterator[Run]:
    """Every run of this state home ($RPD_HOME, else the user's), newest first; with `root` every run folder below that
    folder, also those of runpod-deploy. A run whose journal is damaged is among them: see `Run.problem`. Raises
    UserError where the folder cannot be read."""
    from rpd.adapters.forensics.listing import known_runs
    from rpd.adapters.local.clock import SystemClock

    at = SystemClock().now()
    return (Run._of(loaded, row, at) for loaded, row in known_runs(Path(root) if root is not None else None))


def _artifact(told: dict[str, Any], *, is_open: bool) -> Artifact:
    """Out of a manifest, whoever wrote it."""

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
