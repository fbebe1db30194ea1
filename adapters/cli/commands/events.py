"""`rpd events`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Json, Run


def events(
    run: Run = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="KEY=VALUE", help="Only these. Repeatable.")
    ] = None,
    since: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--since", metavar="AGE", help="Only what happened at most so long ago: 30s, 5m, 1h, 7d."),
    ] = None,
    root: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--root", metavar="DIR", help="Of every run folder below DIR."),
    ] = None,
    all_runs: Annotated[bool, typer.Option("--all", help="Of every run of this state home.")] = False,
    json: Json = False,
) -> int:
    """What happened, line by line, in one run or in many."""
    from rpd.adapters.cli.reading.events import show_events

    return show_events(run, where=where or [], since=since, root=root, all_runs=all_runs, as_json=json)
