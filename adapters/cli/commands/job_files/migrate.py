"""`rpd migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A job file of an older schema.")],
    write: Annotated[
        bool, typer.Option("--write", help="Change the file. Without it, rpd only shows the change.")
    ] = False,
) -> int:
    """Bring a job file of schema version 1, or with renamed fields, up to date."""
    from rpd.adapters.cli.acting.drafting import migrate_file

    return migrate_file(file, write=write)
