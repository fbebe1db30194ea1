"""Options that several commands share, each declared once. Imports typer and the standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

import typer


def _run_names(incomplete: str) -> list[str]:
    from rpd.adapters.cli.arguments.completion import run_names

    return run_names(incomplete)


Run = Annotated[
    Optional[str],  # noqa: UP045 - typer reads the annotation at run time
    typer.Argument(
        metavar="[RUN]", help="Run id, unique prefix, workflow name, or path (./train).", autocompletion=_run_names
    ),
]
RunOrPod = Annotated[
    Optional[str],  # noqa: UP045
    typer.Argument(
        metavar="[RUN]", help="Run id, unique prefix, workflow name, path, or a pod's id.", autocompletion=_run_names
    ),
]
NamedRun = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Run id, unique prefix, workflow name, path, or a pod's id.", autocompletion=_run_names
    ),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", help="Also delete results that nobody has collected, without a question. Required off a terminal."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on stdout.")]
Vars = Annotated[
    list[str] | None,
    typer.Option(
        "--var",
        metavar="KEY[=VALUE]",
        help="A template variable. KEY alone takes the value from the environment (for secrets). Repeatable.",
    ),
]
File = Annotated[Optional[Path], typer.Argument(metavar="[FILE]", help="The job file.")]  # noqa: UP045
Config = Annotated[Optional[Path], typer.Option("--config", hidden=True)]  # noqa: UP045


@dataclass(frozen=True)
class JobOptions:
    """Values from the command line that replace those of the job file. None keeps the value of the file."""

    gpu: Annotated[
        list[str] | None,
        typer.Option("--gpu", "--gpu-id", metavar="GPU", help="GPU type; replaces the file's gpu_order. Repeatable."),
    ] = None
    datacenter: Annotated[
        list[str] | None,
        typer.Option("--datacenter", "--datacenter-id", metavar="ID", help="Replaces the file's value. Repeatable."),
    ] = None
    image: Annotated[Optional[str], typer.Option("--image", metavar="IMAGE", help="Replaces the file's value.")] = None  # noqa: UP045
    gpu_count: Annotated[Optional[int], typer.Option("--gpu-count", metavar="N", help="GPUs per pod.")] = None  # noqa: UP045
    volume_gb: Annotated[Optional[int], typer.Option("--volume-gb", metavar="N", help="Size of the volume.")] = None  # noqa: UP045
    name: Annotated[Optional[str], typer.Option("--name", metavar="NAME", help="Replaces the file's value.")] = None  # noqa: UP045
    max_gpu_price: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--max-gpu-price", metavar="USD", help="The most that a GPU may cost per hour."),
    ] = None
    cost_cap_usd: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--cost-cap-usd", metavar="USD", help="The most that the run may cost."),
    ] = None
    max_runtime_minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--max-runtime-minutes", metavar="N", help="How many minutes its pods may live."),
    ] = None
    ssh_ready_timeout_sec: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--ssh-ready-timeout-sec", metavar="N", hidden=True),
    ] = None
    fallback_cloud_type: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--fallback-cloud-type", metavar="SECURE|COMMUNITY", help="The cloud to try if the first has none."
        ),
    ] = None
    var: Vars = None
    vars_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--vars-file", metavar="FILE", help="Variables as a JSON object; --var wins."),
    ] = None
