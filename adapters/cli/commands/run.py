"""`rpd run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import (
    Config,
    CostCap,
    GpuPrice,
    Gpus,
    Image,
    Json,
    Places,
    Runtime,
    Vars,
    VarsFile,
)

SshTimeout = Annotated[Optional[float], typer.Option("--ssh-ready-timeout-sec", metavar="N", hidden=True)]  # noqa: UP045
Fallback = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--fallback-cloud-type", metavar="SECURE|COMMUNITY", help="The cloud to try when the first has none."),
]


def run(
    context: typer.Context,
    file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(metavar="[FILE | -- COMMAND...]", help="The job file, or a command to run without one."),
    ] = None,
    config: Config = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use this machine's sandbox in place of RunPod.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave once the job runs; `rpd resume` comes back.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Start although an unfinished run of this file exists.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", "--force-fresh", help="Rent a fresh pod, and release a paused one.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", "--dry-run", help="Everything but the renting.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", "--offline-dry-run", help="A plan without a process or a socket.")
    ] = False,
    wait_for_stock: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--wait-for-stock", metavar="AGE", help="Try again for so long (30m) when all is sold out."),
    ] = None,
    max_usd_per_day: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--max-usd-per-day", metavar="USD", help="Refuse a run that could bring the day above it."),
    ] = None,
    print_run_dir: Annotated[
        bool, typer.Option("--print-run-dir", help="First of all print RUN_DIR=<folder> on stdout.")
    ] = False,
    gpu: Gpus = None,
    datacenter: Places = None,
    image: Image = None,
    gpu_count: Annotated[Optional[int], typer.Option("--gpu-count", metavar="N", help="GPUs per pod.")] = None,  # noqa: UP045
    volume_gb: Annotated[Optional[int], typer.Option("--volume-gb", metavar="N", help="Size of the volume.")] = None,  # noqa: UP045
    name: Annotated[Optional[str], typer.Option("--name", metavar="NAME", help="In place of the file's.")] = None,  # noqa: UP045
    files: Annotated[
        bool, typer.Option("--files/--no-files", help="With a command: send the current folder, or do not.")
    ] = True,
    max_gpu_price: GpuPrice = None,
    cost_cap_usd: CostCap = None,
    max_runtime_minutes: Runtime = None,
    ssh_ready_timeout_sec: SshTimeout = None,
    fallback_cloud_type: Fallback = None,
    var: Vars = None,
    vars_file: VarsFile = None,
    json: Json = False,
) -> int:
    """Rent a pod, run the job, bring the results back verified, give the pod back.

    Without a file: rpd run --image IMAGE --gpu GPU -- python train.py --lr 0.1
    sends the current folder, runs the command there, and fetches what it leaves in /workspace/out.
    """
    from rpd.adapters.cli.arguments.overrides import overrides, the_job
    from rpd.engine.errors import UserError

    said = overrides(
        variables=var,
        vars_file=vars_file,
        gpus=gpu,
        datacenters=datacenter,
        image=image,
        max_gpu_price=max_gpu_price,
        cost_cap_usd=cost_cap_usd,
        max_runtime_minutes=max_runtime_minutes,
        ssh_ready_timeout_sec=ssh_ready_timeout_sec,
        fallback_cloud_type=fallback_cloud_type,
        gpu_count=gpu_count,
        volume_gb=volume_gb,
        name=name,
    )
    job = the_job(file, config, context.obj, sends_files=files)
    if plan or offline:
        from rpd.adapters.cli.reading.estimate import plan_file

        return plan_file(job, said, use_sandbox=sandbox, offline=offline, as_json=json)
    if print_run_dir and json:
        raise UserError("--print-run-dir and --json cannot both have stdout; the JSON names run_dir")
    from rpd.adapters.cli.acting.run import run_file

    return run_file(
        job,
        said,
        use_sandbox=sandbox,
        detach=detach,
        new=new,
        fresh=fresh,
        wait_for_stock=wait_for_stock,
        max_usd_per_day=max_usd_per_day,
        print_run_dir=print_run_dir,
        as_json=json,
    )
