"""`rpd volumes`: network volumes, which outlive every pod and bill as long as they exist. Options and help texts; the
bodies are imported when they are called."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.helping import WholeSentences
from rpd.adapters.cli.arguments.options import Json

app = typer.Typer(
    name="volumes",
    cls=WholeSentences,
    help="Network volumes: what they cost, what uses them; make, grow and delete them.",
    invoke_without_command=True,
)

Sandbox = Annotated[bool, typer.Option("--sandbox", help="Use this machine's sandbox instead of RunPod.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Required off a terminal.")]
Size = Annotated[int, typer.Option("--size-gb", metavar="GB", help="Size in GB, 10 to 4096.")]
Name = Annotated[str, typer.Argument(metavar="VOLUME", help="Its id, or its name if no other has it.")]


@app.callback()
def volumes(context: typer.Context, sandbox: Sandbox = False, json: Json = False) -> int:
    """Network volumes: what they cost, what uses them; make, grow and delete them.

    A network volume bills as long as it exists, whether or not a pod mounts it. Without a command: list.
    """
    if context.invoked_subcommand is not None:
        return 0
    from rpd.adapters.cli.reading.volumes import list_volumes

    return list_volumes(use_sandbox=sandbox, as_json=json)


@app.command("list")
def show(context: typer.Context, sandbox: Sandbox = False, json: Json = False) -> int:
    """All of them, with their price and what uses them."""
    from rpd.adapters.cli.reading.volumes import list_volumes

    return list_volumes(use_sandbox=_said(context, "sandbox", sandbox), as_json=_said(context, "json", json))


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="A name that no other volume has.")],
    size_gb: Size,
    datacenter: Annotated[
        str, typer.Option("--datacenter", "--datacenter-id", metavar="ID", help="Only pods there can mount it.")
    ],
    kind: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--type", metavar="standard|high-performance", help="Of the storage; standard by default."),
    ] = None,
    yes: Yes = False,
    sandbox: Sandbox = False,
    json: Json = False,
) -> int:
    """Make one, after its price was shown. It bills until it is deleted."""
    from rpd.adapters.volumes.create import VolumeOrder, create_volume

    wanted = VolumeOrder(name, size_gb, datacenter, kind)
    use_sandbox, as_json = _said(context, "sandbox", sandbox), _said(context, "json", json)
    return create_volume(wanted, yes=yes, use_sandbox=use_sandbox, as_json=as_json)


@app.command("grow")
def grow(context: typer.Context, volume: Name, size_gb: Size, sandbox: Sandbox = False, json: Json = False) -> int:
    """Make one larger. It cannot shrink again, and costs more from then on."""
    from rpd.adapters.volumes.changes import grow_volume

    use_sandbox, as_json = _said(context, "sandbox", sandbox), _said(context, "json", json)
    return grow_volume(volume, size_gb, use_sandbox=use_sandbox, as_json=as_json)


@app.command("delete")
def delete(context: typer.Context, volume: Name, yes: Yes = False, sandbox: Sandbox = False, json: Json = False) -> int:
    """Delete one with everything on it; never while a pod mounts it. On a terminal its name is to be typed."""
    from rpd.adapters.volumes.changes import delete_volume

    use_sandbox, as_json = _said(context, "sandbox", sandbox), _said(context, "json", json)
    return delete_volume(volume, yes=yes, use_sandbox=use_sandbox, as_json=as_json)


def _said(context: typer.Context, option: str, here: bool) -> bool:
    """Whether an option was given here, or before the name of the command."""
    return here or bool(context.parent is not None and context.parent.params.get(option))
