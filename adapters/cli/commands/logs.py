"""`rpd logs`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Run


def logs(
    run: Run = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on as the log grows; the job's until its end.")
    ] = False,
    tail: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--tail", metavar="N", help="Only the last N lines (0: all). With --rpd: 200 by default."),
    ] = None,
    since: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--since", metavar="AGE", help="Only what was written in the last 10m, 2h or 1d."),
    ] = None,
    launch: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--launch", metavar="N", help="Show this lost launch instead of the newest one."),
    ] = None,
    system: Annotated[
        bool, typer.Option("--system", help="The provider's log about the pod: image pull, starts and stops.")
    ] = False,
    rpd: Annotated[
        bool, typer.Option("--rpd", help="rpd's own log: API calls, SSH, costs, tracebacks. With RUN: of that run.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="rpd's own log from its beginning.")] = False,
) -> int:
    """The job's output; the pod's system log; or rpd's own log."""
    from rpd.adapters.cli.reading.chosen_log import ChosenLog, show_log

    return show_log(ChosenLog(run, follow, tail, since, launch), system=system, own=rpd or full, full=full)
