"""`rpd release`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Json, Run, Yes


def release(
    run: Run = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the pod. Its volume stays and costs storage.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the pod and its volume.")] = False,
    keep_until: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--keep-until", metavar="T", help="End it, and keep its pod up for 45m, 2h, or to a UTC time."),
    ] = None,
    mode: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--mode", metavar="MODE", help="`stop`, `delete`, or `preserve`, which leaves everything as it is."
        ),
    ] = None,
    state_file: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--state-file", metavar="FILE", help="The run that the config's state_file names."),
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Give the pod of a run back, also one that a finished run left stopped."""
    from rpd.adapters.runs.release import How, release_run

    how = How.from_options(stop=stop, delete=delete, keep_until=keep_until, mode=mode)
    return release_run(run, how, state_file=state_file, yes=yes, as_json=json)
