"""`rpd schema`."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(what: Annotated[str, typer.Argument(metavar="[job|journal]")] = "job") -> int:
    """The JSON schema of job files (or of journal records), for editors and checkers."""
    from rpd.adapters.cli.acting.drafting import show_schema

    return show_schema(what)
