"""`rpd metrics`."""

from __future__ import annotations

from rpd.adapters.cli.arguments.options import Json, Run


def metrics(run: Run = None, json: Json = False) -> int:
    """What was sampled while the job ran: each GPU's use, memory, heat and power, and the pod's own."""
    from rpd.adapters.cli.reading.metrics import show_metrics

    return show_metrics(run, as_json=json)
