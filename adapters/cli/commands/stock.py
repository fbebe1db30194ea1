"""`rpd stock`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.market import Cloud, MaxPrice, MinVram, Place, Sandbox
from rpd.adapters.cli.arguments.options import Json


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
    from rpd.adapters.cli.reading.market import wanted
    from rpd.adapters.cli.reading.stock import list_stock

    look = wanted(cloud, max_price, min_vram, datacenter)
    return list_stock(gpu, look, every=every, use_sandbox=sandbox, as_json=json)
