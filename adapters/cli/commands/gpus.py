"""`rpd gpus`."""

from __future__ import annotations

from rpd.adapters.cli.arguments.market import Cloud, MaxPrice, MinVram, Place, Sandbox
from rpd.adapters.cli.arguments.options import Json


def gpus(
    max_price: MaxPrice = None,
    min_vram: MinVram = None,
    cloud: Cloud = None,
    datacenter: Place = None,
    sandbox: Sandbox = False,
    json: Json = False,
) -> int:
    """GPU types with memory, prices and stock, the cheapest first."""
    from rpd.adapters.cli.reading.gpus import list_gpus
    from rpd.adapters.cli.reading.market import wanted

    return list_gpus(wanted(cloud, max_price, min_vram, datacenter), use_sandbox=sandbox, as_json=json)
