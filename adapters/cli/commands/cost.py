"""`rpd cost`."""

from __future__ import annotations

from rpd.adapters.cli.arguments.options import Json, Run


def cost(run: Run = None, json: Json = False) -> int:
    """What a run was estimated to cost, and what the provider has booked."""
    from rpd.adapters.cli.reading.cost import show_cost

    return show_cost(run, as_json=json)
