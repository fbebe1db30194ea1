"""`rpd logs`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Run


def logs(
    run: Run = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Follow the log until the job ends.")] = False,
    tail: Annotated[int, typer.Option("--tail", metavar="N", help="Only the last N lines (0: all).")] = 0,
    launch: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--launch", metavar="N", help="Show this lost launch instead of the newest one."),
    ] = None,
) -> int:
    """The job's output."""
    from rpd.adapters.cli.reading.logs import show_logs

    return show_logs(run, follow=follow, tail=tail, launch=launch)
