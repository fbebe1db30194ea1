"""`rpd cancel`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.options import Json, Run, Yes


def cancel(
    run: Run = None,
    delete: Annotated[bool, typer.Option("--delete", help="Also delete the disk, once all results are here.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """End a run: stop its job, collect what there is, release the pod."""
    from rpd.adapters.runs.cancel import cancel_run

    return cancel_run(run, delete=delete, yes=yes, as_json=json)
