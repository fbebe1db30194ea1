"""`rpd gc`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Json


def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Act. Without it, rpd only shows the plan.")] = False,
    stopped: Annotated[bool, typer.Option("--stopped", help="Also delete stopped pods of finished runs.")] = False,
    older_than: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--older-than", metavar="AGE", help="Only pods that were stopped longer ago than this (30d)."),
    ] = None,
    adopt: Annotated[
        list[str] | None,
        typer.Option("--adopt", metavar="POD", help="Stop this pod, although it belongs to somebody else. Repeatable."),
    ] = None,
    workflow: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--workflow", metavar="NAME", help="Only runs of this workflow."),
    ] = None,
    patience: Annotated[
        str, typer.Option("--patience", metavar="TIME", help="How long to ask a cloud that does not answer (60s).")
    ] = "60s",
    json: Json = False,
) -> int:
    """Release every pod that is provably ours and that nobody drives any more."""
    from rpd.adapters.cleanup.scope import CleanupScope
    from rpd.adapters.cli.acting.gc import collect_garbage
    from rpd.adapters.forensics.timeline import age_seconds

    age = age_seconds(older_than) if older_than is not None else None
    wanted = CleanupScope(stopped, age, tuple(adopt or ()), workflow)
    return collect_garbage(wanted, act=yes, as_json=json, seconds=age_seconds(patience))
