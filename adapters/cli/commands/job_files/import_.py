"""`rpd import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Json


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A SkyPilot task, dstack file, or runpodctl line.")],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", metavar="FILE|FOLDER", help="Where to write. - prints. Default: this folder."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
    json: Json = False,
) -> int:
    """Make job files of a SkyPilot task, a dstack configuration or a `runpodctl create pod` line."""
    from rpd.adapters.cli.acting.importing import import_file

    return import_file(file, out, force=force, as_json=json)
