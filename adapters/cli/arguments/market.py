"""Options of `rpd gpus` and `rpd stock`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

Sandbox = Annotated[bool, typer.Option("--sandbox", help="Of this machine's sandbox instead of RunPod.")]
MaxPrice = Annotated[
    Optional[float],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--max-price", metavar="USD", help="The most that one GPU may cost per hour."),
]
MinVram = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--min-vram", metavar="GB", help="The least memory that one GPU must have."),
]
Cloud = Annotated[Optional[str], typer.Option("--cloud", metavar="secure|community", help="Of this one only.")]  # noqa: UP045
Place = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--datacenter", "--datacenter-id", metavar="ID", help="What is in stock there; or in a country or region."
    ),
]
