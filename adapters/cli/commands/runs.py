"""`rpd runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Json


def runs(
    what: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[prune]", help="Forget runs that are over and owe nothing. Results stay."),
    ] = None,
    workflow: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--workflow", metavar="NAME", help="Only runs of this workflow."),
    ] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option("--outcome", metavar="END", help="Only runs with this outcome, or `unfinished`. Repeatable."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="AGE", help="Only runs that began at most so long ago (7d).")
    ] = None,
    older_than: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--older-than", metavar="AGE", help="Only runs that began longer ago. `prune` takes 30d by default."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="The newest N (0: all).")] = 20,
    root: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--root", "--project-root", metavar="DIR", help="Run folders below DIR, also those of runpod-deploy."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With `prune`: act. Without it, rpd only shows the plan.")] = False,
    json: Json = False,
) -> int:
    """All runs at a glance, newest first; `rpd runs prune` forgets old ones."""
    from rpd.adapters.cli.reading.runs import list_runs
    from rpd.adapters.forensics.chosen import Chosen
    from rpd.engine.errors import UserError

    chosen = Chosen.from_options(workflow=workflow, outcomes=outcome, since=since, older_than=older_than)
    if what is None:
        if yes:
            raise UserError("--yes belongs to rpd runs prune")
        return list_runs(chosen, limit=limit, root=root, as_json=json)
    if what != "prune" or root is not None:
        text = (
            "prune forgets journals of this state home; --root names none" if what == "prune" else f"no {what!r} here"
        )
        raise UserError(text, hint="rpd runs, or rpd runs prune")
    from rpd.adapters.cli.acting.prune import prune

    return prune(chosen, act=yes, as_json=json)
