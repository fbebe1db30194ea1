"""Options that several commands have, each declared once. Imports typer and the standard library only."""

from __future__ import annotations

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
Yes = Annotated[
    bool, typer.Option("--yes", help="Delete also results that nobody has collected, unasked. Needed off a terminal.")
]
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on stdout.")]
Vars = Annotated[
    list[str] | None,
    typer.Option(
        "--var", metavar="KEY[=VALUE]", help="A template variable; alone: from the environment (secrets). Repeatable."
    ),
]
File = Annotated[Optional[Path], typer.Argument(metavar="[FILE]", help="The job file.")]  # noqa: UP045
Config = Annotated[Optional[Path], typer.Option("--config", hidden=True)]  # noqa: UP045
VarsFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--vars-file", metavar="FILE", help="Variables as a JSON object; --var wins."),
]
Gpus = Annotated[
    list[str] | None,
    typer.Option("--gpu", "--gpu-id", metavar="GPU", help="In place of the file's gpu_order. Repeatable."),
]
Places = Annotated[
    list[str] | None,
    typer.Option("--datacenter", "--datacenter-id", metavar="ID", help="In place of the file's. Repeatable."),
]
Image = Annotated[Optional[str], typer.Option("--image", metavar="IMAGE", help="In place of the file's.")]  # noqa: UP045
GpuPrice = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--max-gpu-price", metavar="USD", help="The most that a GPU may cost per hour."),
]
CostCap = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--cost-cap-usd", metavar="USD", help="The most that the run may cost."),
]
Runtime = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--max-runtime-minutes", metavar="N", help="How long its pods may live."),
]
