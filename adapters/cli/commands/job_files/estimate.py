"""`rpd estimate`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.options import Config, File, JobOptions, Json
from rpd.adapters.cli.arguments.unfolding import unfolded


@unfolded
def estimate(
    options: JobOptions,
    file: File = None,
    config: Config = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use the sandbox's prices.")] = False,
    json: Json = False,
) -> int:
    """What a job will cost: candidates, prices, caps, the worst case."""
    from rpd.adapters.cli.arguments.overrides import overrides, the_job
    from rpd.adapters.cli.reading.estimate import estimate_file

    return estimate_file(the_job(file, config), overrides(options), use_sandbox=sandbox, as_json=json)
