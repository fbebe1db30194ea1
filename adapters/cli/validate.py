"""`rpd validate`: parse, render and check; no process, no socket."""

from __future__ import annotations

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
    """`KEY=VALUE` from the command line. Raises UserError."""
    variables = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise UserError(f"--var {pair!r} is not KEY=VALUE")
        variables[key] = value
    return variables
