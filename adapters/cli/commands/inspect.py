"""`rpd inspect`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Json, Run


def inspect(
    run: Run = None,
    json: Json = False,
    graph: Annotated[bool, typer.Option("--graph", help="The state diagram with the path walked (Mermaid).")] = False,
    at: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--at", metavar="SEQ", help="Show the state after this record."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only check that the journal is intact (exit code 9 if not).")
    ] = False,
) -> int:
    """Explain what happened, what it costs, and what comes next. Reads only the journal."""
    from rpd.adapters.cli.reading.inspect import inspect_run

    return inspect_run(run, as_json=json, as_graph=graph, at=at, verify=verify)
