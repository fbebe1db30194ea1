"""`rpd init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(file: Annotated[Path, typer.Argument(metavar="[FILE]")] = Path("job.yaml")) -> int:
    """Write a commented job file to start from."""
    from rpd.adapters.cli.acting.drafting import init_file

    return init_file(file)
