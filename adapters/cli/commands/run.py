"""`rpd run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Config, JobOptions, Json
from rpd.adapters.cli.arguments.unfolding import unfolded


@dataclass(frozen=True)
class RunOptions:
    """How the run is begun and shown."""

    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use this machine's sandbox instead of RunPod.")] = False
    detach: Annotated[
        bool, typer.Option("--detach", help="Detach once the job runs. `rpd resume` follows it again.")
    ] = False
    new: Annotated[bool, typer.Option("--new", help="Start although an unfinished run of this file exists.")] = False
    fresh: Annotated[
        bool, typer.Option("--fresh", "--force-fresh", help="Rent a fresh pod, and release a paused one.")
    ] = False
    plan: Annotated[bool, typer.Option("--plan", "--dry-run", help="Do everything except the renting.")] = False
    offline: Annotated[
        bool, typer.Option("--offline", "--offline-dry-run", help="A plan without a process or a socket.")
    ] = False
    wait_for_stock: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--wait-for-stock", metavar="AGE", help="How long to try again if everything is sold out (30m)."),
    ] = None
    max_usd_per_day: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--max-usd-per-day", metavar="USD", help="Refuse a run that could bring the cost of the day above this."
        ),
    ] = None
    print_run_dir: Annotated[bool, typer.Option("--print-run-dir", help="Print RUN_DIR=<folder> on stdout first.")] = (
        False
    )


@unfolded
def run(
    context: typer.Context,
    how: RunOptions,
    options: JobOptions,
    file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(metavar="[FILE | -- COMMAND...]", help="The job file, or a command to run without one."),
    ] = None,
    config: Config = None,
    files: Annotated[
        bool, typer.Option("--files/--no-files", help="With a command: whether to send the current folder.")
    ] = True,
    json: Json = False,
) -> int:
    """Rent a pod, run the job, bring the results back verified, give the pod back.

    Without a file: rpd run --image IMAGE --gpu GPU -- python train.py --lr 0.1
    sends the current folder, runs the command there, and fetches what it leaves in /workspace/out.
    """
    from rpd.adapters.cli.arguments.overrides import overrides, the_job
    from rpd.engine.errors import UserError

    wanted_values = overrides(options)
    job = the_job(file, config, context.obj, sends_files=files)
    if how.plan or how.offline:
        from rpd.adapters.cli.reading.estimate import plan_file

        return plan_file(job, wanted_values, use_sandbox=how.sandbox, offline=how.offline, as_json=json)
    if how.print_run_dir and json:
        raise UserError("--print-run-dir and --json cannot both have stdout; the JSON names run_dir")
    from rpd.adapters.forensics.timeline import age_seconds
    from rpd.adapters.runs.job import shown_name
    from rpd.adapters.runs.start import run_job

    seconds = age_seconds(how.wait_for_stock) if how.wait_for_stock is not None else None
    return run_job(
        wanted_values.load(job),
        shown_name(job),
        use_sandbox=how.sandbox,
        detach=how.detach,
        new=how.new,
        fresh=how.fresh,
        wait_for_stock_seconds=seconds,
        max_usd_per_day=how.max_usd_per_day,
        print_run_dir=how.print_run_dir,
        as_json=json,
    )
