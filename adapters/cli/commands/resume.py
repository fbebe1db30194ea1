"""`rpd resume`."""

from __future__ import annotations

from rpd.adapters.cli.arguments.options import Json, Run


def resume(run: Run = None, json: Json = False) -> int:
    """Go on from any interruption."""
    from rpd.adapters.runs.resume import resume_run

    return resume_run(run, as_json=json)
