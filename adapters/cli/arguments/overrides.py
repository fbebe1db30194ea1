"""Values from the command line that replace those of the job file: variables, and single fields for one run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.cli.arguments.options import JobOptions
from rpd.adapters.runs.job import Overrides
from rpd.adapters.spec.error import Path as SpecPath
from rpd.adapters.spec.inline_job import inline_job
from rpd.adapters.spec.yaml_source import YamlSource
from rpd.engine.errors import UserError


def overrides(options: JobOptions) -> Overrides:
    """Put the options together. None keeps the value of the file. Raises UserError."""
    named: dict[SpecPath, Any] = {
        ("pod", "gpu_order"): options.gpu or None,
        ("pod", "datacenters"): options.datacenter or None,
        ("pod", "image"): options.image,
        ("pod", "gpu_count"): options.gpu_count,
        ("storage", "volume_gb"): options.volume_gb,
        ("name",): options.name,
        ("budget", "max_gpu_price_usd"): options.max_gpu_price,
        ("budget", "max_runtime_minutes"): options.max_runtime_minutes,
        ("budget", "ssh_ready_timeout_sec"): options.ssh_ready_timeout_sec,
        ("provision", "fallback_cloud_type"): options.fallback_cloud_type,
        ("budget", "cost_cap_usd"): options.cost_cap_usd,
        ("budget", "max_usd"): options.cost_cap_usd,  # of the two fields, max_usd is the one that counts
    }
    found = {**_read_file(options.vars_file), **read_variables(options.var or [])}
    return Overrides(found, {place: value for place, value in named.items() if value is not None})


def read_variables(pairs: list[str]) -> dict[str, str]:
    """Read `KEY=VALUE` from the command line, or `KEY` alone for the value from this process's environment. The second
    form keeps a secret out of every list of processes. Raises UserError."""
    variables = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key.isidentifier() or not (equals or key in os.environ):
            shown = f"{key}=..." if equals else key  # a value may be a secret
            raise UserError(f"--var {shown!r} is not KEY=VALUE, nor the name of a variable of the environment")
        variables[key] = value if equals else os.environ[key]
    return variables


def _read_file(path: Path | None) -> Mapping[str, str]:
    if path is None:
        return {}
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except OSError as error:
        raise UserError(f"--vars-file {path} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UserError(f"--vars-file {path} is not a JSON object of strings: {error}") from error
    wrong = [name for name in found if not name.isidentifier()]
    if wrong:
        raise UserError(f"--vars-file {path}: {wrong[0]!r} is not a variable name")
    return found


def the_job(
    file: Path | None, config: Path | None = None, command: Sequence[str] | None = None, *, sends_files: bool = True
) -> Path | YamlSource:
    """The job file, as an argument or as `--config`, or the command after `--`. Raises UserError."""
    named = [each for each in (file, config) if each is not None]
    if command is None and len(named) == 1:
        return named[0]
    if command and not named:
        return inline_job(command, Path.cwd(), sends_files=sends_files)
    if command is not None and not command:
        raise UserError("there is no command after --", hint="rpd run --image IMAGE --gpu GPU -- python train.py")
    raise UserError(
        "name one job file, or a command after --, and not both",
        hint="rpd run FILE   or   rpd run --image IMAGE --gpu GPU -- python train.py",
    )
