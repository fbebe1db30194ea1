"""`rpd validate`: parse, render and check; no process, no socket."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rpd.adapters.cli import output
from rpd.adapters.cli.overrides import Overrides, shown_name
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.workspace import LocalWorkspace
from rpd.adapters.local.yaml_source import YamlSource
from rpd.engine.errors import UserError


def validate_file(job: Path | YamlSource, said: Overrides, *, as_json: bool) -> int:
    """Exit code 0 when the file can run on this machine."""
    loaded = said.load(job)
    problems = LocalWorkspace(state_home()).check_inputs(loaded.job, loaded.run_dir)
    if problems:
        raise UserError("\n       ".join([f"{shown_name(job)} cannot run here:", *problems]))
    if as_json:
        output.answer({"schema": "rpd.validate/1", "ok": True, "job": msgspec.to_builtins(loaded.config)})
    else:
        output.text([f"ok: {shown_name(job)} ({loaded.job.name})"])
    return 0
