"""`rpd pull`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import NamedRun


def pull(
    run: NamedRun,
    remote: Annotated[str, typer.Argument(metavar="REMOTE", help="A file, folder or pattern in the pod.")],
    local: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[LOCAL]", help="Where to put it. Left out: the same name in this folder."),
    ] = None,
) -> int:
    """Fetch files from the pod of a run, each verified by its checksum. Files that are here already are not sent
    again."""
    from rpd.adapters.cli.acting.inside import pull_from

    return pull_from(run, remote, local)
