"""`rpd connect`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Json


def connect(
    gpu: Annotated[
        list[str] | None, typer.Option("--gpu", metavar="GPU", help="GPU type, best first. Repeatable.")
    ] = None,
    gpu_count: Annotated[int, typer.Option("--gpu-count", min=1, metavar="N", help="GPUs of the pod.")] = 1,
    preset: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--preset", metavar="comfyui|jupyter|vscode|shell", help="Image and services. Default: comfyui."),
    ] = None,
    image: Annotated[Optional[str], typer.Option("--image", metavar="IMAGE", help="In place of the preset's.")] = None,  # noqa: UP045
    template: Annotated[
        str | None, typer.Option("--template", metavar="ID", help="A pod template of the account.")
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option("--port", metavar="PORT[/PATH]", help="A service of the pod; the path must answer. Repeatable."),
    ] = None,
    start_command: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--start-command", metavar="TEXT", help="In place of the image's. It must start an sshd."),
    ] = None,
    volume: Annotated[
        str | None, typer.Option("--volume", metavar="ID", help="A network volume, by id or name.")
    ] = None,
    volume_gb: Annotated[
        int | None, typer.Option("--volume-gb", metavar="N", help="Size of the pod's own volume.")
    ] = None,
    disk_gb: Annotated[
        int | None, typer.Option("--disk-gb", metavar="N", help="Size of the container's disk.")
    ] = None,
    hours: Annotated[float, typer.Option("--hours", metavar="H", help="After so long the pod is stopped.")] = 4.0,
    cloud: Annotated[str, typer.Option("--cloud", metavar="secure|community", help="The cloud to rent in.")] = "secure",
    datacenter: Annotated[
        list[str] | None, typer.Option("--datacenter", metavar="ID", help="Data center or region. Repeatable.")
    ] = None,
    max_price: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--max-price", metavar="USD", help="The most that a GPU may cost per hour."),
    ] = None,
    name: Annotated[Optional[str], typer.Option("--name", metavar="NAME", help="Default: date and number.")] = None,  # noqa: UP045
    key: Annotated[
        str | None, typer.Option("--key", metavar="FILE", help="SSH key. Default: a pair of rpd's own.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the first service in the browser.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Go on in the background once it is connected.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Rent without a question.")] = False,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use this machine's sandbox in place of RunPod.")] = False,
    json: Json = False,
) -> int:
    """Rent a pod to work in, with verified local ports to its services. Leaving asks what becomes of it.

    rpd connect --gpu A40 --preset comfyui --hours 2
    """
    from rpd.adapters.cli.acting.connect import connect_to
    from rpd.adapters.sessions.wish import Wish

    wish = Wish(
        gpu=tuple(gpu or ()),
        gpu_count=gpu_count,
        cloud=cloud,
        datacenters=tuple(datacenter or ()),
        image=image,
        preset=preset,
        template=template,
        ports=tuple(port or ()),
        start_command=start_command,
        volume=volume,
        volume_gb=volume_gb,
        disk_gb=disk_gb,
        hours=hours,
        max_price=max_price,
        name=name,
        key=key,
        use_sandbox=sandbox,
        yes=yes,
        opens_browser=open_,
    )
    return connect_to(wish, detach=detach, as_json=json)
