"""`rpd validate`: parse, render and check; no process, no socket."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rpd.adapters.cli import output
from rpd.adapters.cli.overrides import Overrides
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.jobfile import load_job
from rpd.adapters.local.workspace import LocalWorkspace
from rpd.engine.errors import UserError


def validate_file(file: Path, said: Overrides, *, as_json: bool) -> int:
    """Exit code 0 when the file can run on this machine."""
    loaded = load_job(file, variables=said.variables, fields=said.fields)
    problems = LocalWorkspace(state_home()).check_inputs(loaded.job, loaded.run_dir)
    if problems:
        raise UserError("\n       ".join([f"{file} cannot run here:", *problems]))
    if as_json:
        output.answer({"schema": "rpd.validate/1", "ok": True, "job": msgspec.to_builtins(loaded.config)})
    else:
        output.text([f"ok: {file} ({loaded.job.name})"])
    return 0
