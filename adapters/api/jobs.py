"""Job files, loaded and checked before anything costs money."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from rpd.adapters.api.telling import without_secrets
from rpd.adapters.local.dirs import state_home
from rpd.adapters.runs.job import Overrides
from rpd.adapters.spec.error import SpecError
from rpd.adapters.spec.jobfile import LoadedJob
from rpd.engine.errors import UserError
from rpd.journal.paths import journal_path


class Job:
    """A job file, rendered and checked, with the id of its one run. `load` makes it."""

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
        """The rendered name of the job."""
        return self._loaded.job.name

    @property
    def path(self) -> Path:
        """The absolute path of the job file."""
        return Path(self._loaded.config_path)

    @property
    def run_id(self) -> str:
        """The id of the run of this job."""
        return self._loaded.run_id

    @property
    def folder(self) -> Path:
        """The run folder that the run will make."""
        return Path(self._loaded.run_dir)

    @property
    def _journal(self) -> Path:
        return journal_path(state_home(), self._loaded.workflow, self._loaded.run_id)

    @property
    def variables(self) -> dict[str, str]:
        """The values of the job's variables. Secrets of the environment are masked."""
        return dict(self._loaded.variables)

    @property
    def config(self) -> dict[str, Any]:
        """The whole rendered file as plain data, with all defaults, as the journal will keep it. Secrets of the
        environment are masked. The fields are those of docs/job-file.md."""
        return dict(msgspec.to_builtins(self._loaded.config))

    @property
    def max_usd(self) -> float:
        """The most that the run may cost by its budget, in USD."""
        return self._loaded.job.budget.most_usd


class Problem(msgspec.Struct, frozen=True):
    """One finding of `validate`. `level` is "error" (the job cannot run as it is), "warning" (it may not run, or rpd
    could not find out) or "note" (how rpd understands a word of the file). `check` names what was checked, and is
    "file" for the file itself. For "file", `line` and `column` count from 1, and `field` is the place, such as
    `pod.gpu_order[0]`."""

    level: Literal["error", "warning", "note"]
    check: str
    message: str
    line: int | None = None
    column: int | None = None
    field: str | None = None


@without_secrets
def load(file: str | Path, *, variables: Mapping[str, str] | None = None) -> Job:
    """Load a job file as `rpd run` does. Starts nothing and uses no network. `variables` win over those of the file.

    Raises SpecError with every problem of the file, and UserError if the file cannot be read or belongs to another
    tool.
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
    """All findings of `rpd validate`, in the order of the file. The job can run if none of them is an "error".

    By default it uses no network. `online` asks the provider (key, stock, prices, volume) and the image's registry, or
    with `sandbox` this machine's sandbox. `scan` reads the commands and the files to be sent, and looks for what breaks
    in a pod. Raises UserError if the file cannot be read or belongs to another tool.
    """
    from rpd.adapters.checking.job import Checks, checked

    try:
        loaded = _loaded(file, variables)
    except SpecError as wrong:
        return [Problem("error", "file", each.message, each.line, each.column, each.path) for each in wrong.problems]
    wanted = Checks(account=online, image=online, payload=scan, use_sandbox=sandbox)
    return [Problem(each.level, each.check, each.message) for each in checked(loaded, wanted)[0]]


def _loaded(file: str | Path, variables: Mapping[str, str] | None) -> LoadedJob:
    for name, value in (variables or {}).items():
        if not (isinstance(name, str) and name.isidentifier() and isinstance(value, str)):  # from an untyped caller
            raise UserError(f"the variable {name!r} is not a name with a text")
    return Overrides(dict(variables or {})).load(Path(file))
