"""`rpd pods`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.options import Json


def pods(
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Show them again as they change, until Ctrl-C.")] = False,
    json: Json = False,
) -> int:
    """All pods of the account: what they cost, and whose they are."""
    from rpd.adapters.cli.reading.pods import list_pods

    return list_pods(watch=watch, as_json=json)
