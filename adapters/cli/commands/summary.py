"""`rpd summary`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Json, Run


def summary(
    run: Run = None,
    root: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--root", metavar="DIR", help="Every run folder below DIR, with totals."),
    ] = None,
    json: Json = False,
) -> int:
    """What ran where, what came back, what it cost: one run, or a folder of runs with totals. Exit code 1 when the one
    run has failed."""
    from rpd.adapters.cli.reading.summary import summarize

    return summarize(run, root=root, as_json=json)
