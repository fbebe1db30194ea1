"""`rpd salvage`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.options import Json, Run


def salvage(
    run: Run = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete its pods, even if results are in them. Without it, they stop.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
    json: Json = False,
) -> int:
    """End a run whose journal is damaged: give back what it owes, and set the file aside."""
    from rpd.adapters.cli.acting.salvage import salvage_run

    return salvage_run(run, delete=delete, yes=yes, as_json=json)
