"""`rpd tunnel`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.options import RunOrPod


def tunnel(
    run: RunOrPod = None,
    ports: Annotated[
        list[str] | None,
        typer.Argument(metavar="PORT[:LOCAL]...", help="A port of the pod, and the one here (or the next free one)."),
    ] = None,
    path: Annotated[str, typer.Option("--path", metavar="PATH", help="What to ask for by HTTP, to verify it.")] = "/",
    once: Annotated[
        bool, typer.Option("--once", help="For scripts: end rather than wait for a service or a lost link.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Keep it in the background until its pod is gone.")] = False,
    browser: Annotated[bool, typer.Option("--open", help="Open a browser once the first port is verified.")] = False,
    close: Annotated[bool, typer.Option("--close", help="Close the tunnels of this run in the background.")] = False,
) -> int:
    """Ports of this machine that lead to ports of a pod: rpd tunnel RUN 8188

    Each is bound to 127.0.0.1, verified by one HTTP request, and printed on stdout as a URL. A lost link is opened
    again.
    """
    from rpd.adapters.cli.acting.tunnel import close_tunnels, open_tunnel

    if close:
        return close_tunnels(run, ports or [])
    return open_tunnel(run, ports or [], path=path, once=once, detach=detach, browser=browser)
