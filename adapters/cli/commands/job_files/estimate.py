"""`rpd estimate`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.options import (
    Config,
    CostCap,
    File,
    GpuPrice,
    Gpus,
    Json,
    Places,
    Runtime,
    Vars,
    VarsFile,
)


def estimate(
    file: File = None,
    config: Config = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="At the sandbox's prices.")] = False,
    gpu: Gpus = None,
    datacenter: Places = None,
    max_gpu_price: GpuPrice = None,
    cost_cap_usd: CostCap = None,
    max_runtime_minutes: Runtime = None,
    var: Vars = None,
    vars_file: VarsFile = None,
    json: Json = False,
) -> int:
    """What a job will cost: candidates, prices, caps, the worst case."""
    from rpd.adapters.cli.arguments.overrides import overrides, the_job
    from rpd.adapters.cli.reading.estimate import estimate_file

    said = overrides(
        variables=var,
        vars_file=vars_file,
        gpus=gpu,
        datacenters=datacenter,
        max_gpu_price=max_gpu_price,
        cost_cap_usd=cost_cap_usd,
        max_runtime_minutes=max_runtime_minutes,
    )
    return estimate_file(the_job(file, config), said, use_sandbox=sandbox, as_json=json)
