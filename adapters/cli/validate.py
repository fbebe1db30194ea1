"""`rpd validate`: parse, render and check; no process, no socket."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from rpd.adapters.cli import output
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.jobfile import load_job
from rpd.adapters.local.workspace import LocalWorkspace
from rpd.engine.errors import UserError


def validate_file(file: Path, *, variables: list[str], as_json: bool) -> int:
    """Exit code 0 when the file can run on this machine."""
    loaded = load_job(file, variables=read_variables(variables))
    problems = LocalWorkspace(state_home()).check_inputs(loaded.job, loaded.run_dir)
    if problems:
        raise UserError("\n       ".join([f"{file} cannot run here:", *problems]))
    if as_json:
        output.answer({"schema": "rpd.validate/1", "ok": True, "job": msgspec.to_builtins(loaded.config)})
    else:
        output.text([f"ok: {file} ({loaded.job.name})"])
    return 0


def read_variables(pairs: list[str]) -> dict[str, str]:
    """`KEY=VALUE` from the command line, or `KEY` alone for the value of this process's environment: a secret then
    shows in no list of processes. Raises UserError."""
    variables = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key.isidentifier() or not (equals or key in os.environ):
            shown = f"{key}=..." if equals else key  # a value may be a secret
            raise UserError(f"--var {shown!r} is not KEY=VALUE, nor the name of a variable of the environment")
        variables[key] = value if equals else os.environ[key]
    return variables
