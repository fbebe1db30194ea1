"""`rpd push`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import NamedRun


def push(
    run: NamedRun,
    local: Annotated[str, typer.Argument(metavar="LOCAL", help="A file or folder here.")],
    remote: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[REMOTE]", help="Where to put it. Left out: the same name on the volume."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="PATTERN", help="Leave this out. Repeatable.")
    ] = None,
) -> int:
    """Send files to the pod of a run, each verified by its checksum. Nothing there is deleted."""
    from rpd.adapters.cli.acting.inside import push_to

    return push_to(run, local, remote, tuple(exclude or ()))
