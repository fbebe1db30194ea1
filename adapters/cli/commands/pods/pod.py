"""`rpd pod`: one pod. Options and help texts; the bodies are imported when they are called."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.helping import WholeSentences
from rpd.adapters.cli.arguments.options import Json

app = typer.Typer(
    name="pod", cls=WholeSentences, help="One pod: look at it, stop, delete or start it.", no_args_is_help=True
)

Pod = Annotated[
    Optional[str],  # noqa: UP045 - typer reads the annotation at run time
    typer.Argument(metavar="[POD]", help="Its id, its name, or its run. Not needed if only one pod can be meant."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Required off a terminal.")]


@app.command("info")
def info(pod: Pod = None, json: Json = False) -> int:
    """Everything about one pod: state, cost, owner, connection."""
    from rpd.adapters.cli.reading.pods import show_pod

    return show_pod(pod, as_json=json)


@app.command("start")
def start(pod: Pod = None, json: Json = False) -> int:
    """Start a stopped pod by going on with its run, which also ends it."""
    from rpd.adapters.cli.acting.pods import start_pod

    return start_pod(pod, as_json=json)


@app.command("stop")
def stop(pod: Pod = None, yes: Yes = False, json: Json = False) -> int:
    """Stop a pod, and with it the work of its run. Its disk stays and costs storage."""
    from rpd.adapters.cli.acting.pods import end_pod

    return end_pod(pod, "stop", yes=yes, as_json=json)


@app.command("delete")
def delete(pod: Pod = None, yes: Yes = False, json: Json = False) -> int:
    """Delete a pod with its disk. If results were not collected, its name is to be typed."""
    from rpd.adapters.cli.acting.pods import end_pod

    return end_pod(pod, "delete", yes=yes, as_json=json)


app.command("kill", hidden=True)(delete)
