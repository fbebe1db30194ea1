"""The job that a person means: a job file or a command, with values that replace those of the file."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.settings.settings import load_one
from rpd.adapters.spec.error import MOST_SHOWN, SpecError
from rpd.adapters.spec.error import Path as SpecPath
from rpd.adapters.spec.inline_job import NO_FILE
from rpd.adapters.spec.jobfile import LoadedJob, load_job
from rpd.adapters.spec.yaml_source import MAX_BYTES, YamlSource
from rpd.engine.errors import UserError


class Overrides(msgspec.Struct, frozen=True):
    """Values for one run. `fields` maps places in the file (`("budget", "max_usd")`) to values that replace
    those of the file. `variables` win over the file's."""

    variables: dict[str, str] = {}
    fields: dict[SpecPath, Any] = {}

    def load(self, job: Path | YamlSource) -> LoadedJob:
        """Load the job with these values, and with the SSH key of the environment or the user's settings: the first
        wins over the file, the second serves where the file names none. Raises SpecError and UserError."""
        wanted, fallbacks = _of_the_user()
        try:
            return load_job(job, variables=self.variables, fields={**wanted, **self.fields}, fallbacks=fallbacks)
        except SpecError as wrong:
            if isinstance(job, Path):
                raise _of_another_tool(job) or wrong from None
            lines = [f"{problem.path}: {problem.message}" for problem in wrong.problems[:MOST_SHOWN]]
            hint = "in the project's own folder: rpd run --image IMAGE --gpu GPU -- COMMAND"
            raise UserError("\n".join(lines), reason=wrong.reason, hint=hint) from wrong


def _of_the_user() -> tuple[dict[SpecPath, Any], dict[SpecPath, Any]]:
    """What the user's settings say about any job: what wins over the file, and what serves where the file is silent."""
    path, wins = load_one("ssh_key_path")
    fields: dict[SpecPath, Any] = {("ssh", "key_path"): path} if path is not None else {}
    return (fields, {}) if wins else ({}, fields)


def _of_another_tool(file: Path) -> UserError | None:
    """What the file is if it is not a job file. None if it is meant to be one."""
    from rpd.adapters.local.files import read_regular

    with contextlib.suppress(OSError):
        return not_ours(file, read_regular(file, MAX_BYTES).decode(errors="replace"))
    return None


def not_ours(file: Path, text: str) -> UserError | None:
    """The error for a file of another tool: rpd has to translate it first, or cannot. None if it is meant to be a job
    file."""
    from rpd.adapters.importing.imported import kind_of, other_of

    if (kind := kind_of(text, str(file))) is not None:
        message, hint = f"{file} is a file for {kind}, and no job file", f"rpd import {file}"
    elif (other := other_of(text, str(file))) is not None:
        message, hint = f"{file} is {other.what}, and no job file", other.hint
    else:
        return None
    return UserError(message, reason="foreign_spec", hint=hint)


def shown_name(job: Path | YamlSource) -> str:
    """The name of the job in messages."""
    return str(job) if isinstance(job, Path) else NO_FILE
