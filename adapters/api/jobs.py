"""Job files: loaded and checked before a cent is spent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from rpd.adapters.api.telling import without_secrets
from rpd.adapters.cli.arguments.overrides import Overrides
from rpd.adapters.local.dirs import state_home
from rpd.adapters.spec.error import SpecError
from rpd.adapters.spec.jobfile import LoadedJob
from rpd.engine.errors import UserError
from rpd.journal.paths import journal_path


class Job:
    """A job file, rendered and checked, with the id of the one run that it is for. Made by `load`."""

    __slots__ = ("_loaded",)
    _loaded: LoadedJob

    def __init__(self) -> None:
        raise TypeError("rpd.load makes a Job")

    @classmethod
    def _of(cls, loaded: LoadedJob) -> Job:
        made = cls.__new__(cls)
        made._loaded = loaded
        return made

    def __repr__(self) -> str:
        return f"<rpd.Job {self.name}: {self.path}>"

    @property
    def name(self) -> str:
        """The job's name, rendered."""
        return self._loaded.job.name

    @property
    def path(self) -> Path:
        """The job file, absolute."""
        return Path(self._loaded.config_path)

    @property
    def run_id(self) -> str:
        """The id that its run will have."""
        return self._loaded.run_id

    @property
    def folder(self) -> Path:
        """The run folder that its run will make."""
        return Path(self._loaded.run_dir)

    @property
    def _journal(self) -> Path:
        return journal_path(state_home(), self._loaded.workflow, self._loaded.run_id)

    @property
    def variables(self) -> dict[str, str]:
        """The values of its variables; secrets of the environment are masked."""
        return dict(self._loaded.variables)

    @property
    def config(self) -> dict[str, Any]:
        """The whole rendered file as plain data, with all defaults, as the journal will keep it: secrets of the
        environment are masked. The fields are those of docs/job-file.md."""
        return dict(msgspec.to_builtins(self._loaded.config))

    @property
    def max_usd(self) -> float:
        """The most that its run may cost by its budget, USD."""
        return self._loaded.job.budget.most_usd


class Problem(msgspec.Struct, frozen=True):
    """One thing that `validate` has found. `level` is "error" (the job cannot run as it is), "warning" (it may not, or
    nobody could say) or "note" (how a word of the file is understood). `check` names what was looked at, "file" for the
    file itself; of that one, `line` and `column` count from 1 and `field` is the place, as `pod.gpu_order[0]`."""

    level: Literal["error", "warning", "note"]
    check: str
    message: str
    line: int | None = None
    column: int | None = None
    field: str | None = None


@without_secrets
def load(file: str | Path, *, variables: Mapping[str, str] | None = None) -> Job:
    """Load a job file as `rpd run` does; starts nothing, and asks nobody. `variables` win over the file's own.

    Raises SpecError with every problem of the file, and UserError where it cannot be read or is another tool's.
    """
    return Job._of(_loaded(file, variables))


@without_secrets
def validate(
    file: str | Path,
    *,
    variables: Mapping[str, str] | None = None,
    online: bool = False,
    scan: bool = False,
    sandbox: bool = False,
) -> list[Problem]:
    """All that `rpd validate` finds, in the order of the file; no "error" among them: the job can run.

    By default it asks nobody. `online` asks the provider (key, stock, prices, volume) and the image's registry, or with
    `sandbox` this machine's sandbox; `scan` reads the commands and the files that would be sent for what breaks in a
    pod. Raises UserError where the file cannot be read or is another tool's.
    """
    from rpd.adapters.cli.reading.validate import Checks, checked

    try:
        loaded = _loaded(file, variables)
    except SpecError as wrong:
        return [Problem("error", "file", each.message, each.line, each.column, each.path) for each in wrong.problems]
    wanted = Checks(account=online, image=online, payload=scan, use_sandbox=sandbox)
    return [Problem(each.level, each.check, each.message) for each in checked(loaded, wanted)[0]]


def _loaded(file: str | Path, variables: Mapping[str, str] | None) -> LoadedJob:
    for name, value in (variables or {}).items():
        if not (isinstance(name, str) and name.isidentifier() and isinstance(value, str)):  # of an untyped caller
            raise UserError(f"the variable {name!r} is not a name with a text")
    return Overrides(dict(variables or {})).load(Path(file))
