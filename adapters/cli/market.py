"""`rpd gpus` and `rpd stock`: options and help texts. What there is to rent, where and for how much; nothing is rented.
The bodies are imported when they are called."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on stdout.")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Of this machine's sandbox in place of RunPod.")]
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


def gpus(
    max_price: MaxPrice = None,
    min_vram: MinVram = None,
    cloud: Cloud = None,
    datacenter: Place = None,
    sandbox: Sandbox = False,
    json: Json = False,
) -> int:
    """GPU types with memory, prices and stock, the cheapest first."""
    from rpd.adapters.cli.gpu_listing import list_gpus
    from rpd.adapters.cli.market_view import wanted

    return list_gpus(wanted(cloud, max_price, min_vram, datacenter), use_sandbox=sandbox, as_json=json)


def stock(
    gpu: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[GPU]", help="Its id or name, a part of it, or a short form: L4, a100, RTX4090."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also where there is none.")] = False,
    max_price: MaxPrice = None,
    min_vram: MinVram = None,
    cloud: Cloud = None,
    datacenter: Place = None,
    sandbox: Sandbox = False,
    json: Json = False,
) -> int:
    """Where there is stock, data center by data center. A hint, never a reservation.

    Exit code 6 when a GPU is named that is nowhere in stock.
    """
    from rpd.adapters.cli.market_view import wanted
    from rpd.adapters.cli.stock_listing import list_stock

    look = wanted(cloud, max_price, min_vram, datacenter)
    return list_stock(gpu, look, every=every, use_sandbox=sandbox, as_json=json)
