"""`rpd connect`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.options import Json
from rpd.adapters.cli.arguments.unfolding import unfolded


@dataclass(frozen=True)
class PodWish:
    """What to rent."""

    gpu: Annotated[list[str] | None, typer.Option("--gpu", metavar="GPU", help="GPU type, best first. Repeatable.")] = (
        None
    )
    gpu_count: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--gpu-count", min=1, metavar="N", help="GPUs of the pod."),
    ] = None
    image: Annotated[Optional[str], typer.Option("--image", metavar="IMAGE", help="In place of the preset's.")] = None  # noqa: UP045
    template: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--template", metavar="ID", help="A pod template of the account."),
    ] = None
    start_command: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--start-command", metavar="TEXT", help="In place of the image's. It must start an sshd."),
    ] = None
    volume: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--volume", metavar="ID", help="A network volume, by id or name."),
    ] = None
    volume_gb: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--volume-gb", metavar="N", help="Size of the pod's own volume."),
    ] = None
    disk_gb: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--disk-gb", metavar="N", help="Size of the container's disk."),
    ] = None
    cloud: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--cloud", metavar="secure|community", help="The cloud to rent in."),
    ] = None
    datacenter: Annotated[
        list[str] | None, typer.Option("--datacenter", metavar="ID", help="Data center or region. Repeatable.")
    ] = None
    max_price: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--max-price", metavar="USD", help="The most that a GPU may cost per hour."),
    ] = None


@dataclass(frozen=True)
class SessionWish:
    """What to do with it."""

    preset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--preset", metavar="NAME", help="Image and services: comfyui (default), jupyter, vscode, shell."),
    ] = None
    port: Annotated[
        list[str] | None,
        typer.Option("--port", metavar="PORT[/PATH]", help="A service of the pod; the path must answer. Repeatable."),
    ] = None
    hours: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--hours", metavar="H", help="After so long the pod is stopped (4)."),
    ] = None
    ready_minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--ready-minutes", metavar="M", help="How long a host may take to come up, and a service to answer (10)."
        ),
    ] = None
    name: Annotated[Optional[str], typer.Option("--name", metavar="NAME", help="Default: date and number.")] = None  # noqa: UP045
    key: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--key", metavar="FILE", help="SSH key. Default: a pair of rpd's own."),
    ] = None
    open_: Annotated[bool, typer.Option("--open", help="Open the first service in the browser.")] = False
    yes: Annotated[bool, typer.Option("--yes", help="Rent without a question.")] = False
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use this machine's sandbox in place of RunPod.")] = False


@unfolded
def connect(
    pod: PodWish,
    session: SessionWish,
    detach: Annotated[bool, typer.Option("--detach", help="Go on in the background once it is connected.")] = False,
    json: Json = False,
) -> int:
    """Rent a pod to work in, with verified local ports to its services. Leaving asks what becomes of it.

    Without --gpu, a person at a terminal picks one. Your settings say what no option says.

    rpd connect --gpu A40 --preset comfyui --hours 2
    """
    from rpd.adapters.cli.acting.connect import connect_to

    return connect_to({**asdict(pod), **asdict(session)}, detach=detach, as_json=json)
