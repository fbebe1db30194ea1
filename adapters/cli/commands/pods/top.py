"""`rpd top`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.helping import GROUPS
from rpd.adapters.cli.arguments.options import Json


def top(
    plain: Annotated[bool, typer.Option("--plain", help="Print one table and end, as off a terminal.")] = False,
    json: Json = False,
) -> int:
    """One live screen over all runs, sessions and pods."""
    from rpd.adapters.cli.reading.top import show_top

    names = {name for names in GROUPS.values() for name in names}
    return show_top(names, is_plain=plain, as_json=json)
