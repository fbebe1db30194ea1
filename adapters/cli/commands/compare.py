"""`rpd compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.options import Json


def compare(
    one: Annotated[str, typer.Argument(metavar="RUN")],
    other: Annotated[str, typer.Argument(metavar="RUN")],
    changed: Annotated[bool, typer.Option("--changed", help="Show only what differs.")] = False,
    json: Json = False,
) -> int:
    """Two runs field by field. Exit code 1 when one of them has failed."""
    from rpd.adapters.cli.reading.compare import compare_runs

    return compare_runs(one, other, only_changed=changed, as_json=json)
