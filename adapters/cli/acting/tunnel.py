"""`rpd tunnel`: ports of a pod here, in the foreground or in the background."""

from __future__ import annotations

from rpd.adapters.cli.arguments.finding import find_run_with_pod
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.signals import signal_requests
from rpd.adapters.reaching.background import start
from rpd.adapters.reaching.pod_of_run import reach
from rpd.adapters.reaching.tunnelling import Tunnelling, Wishes, parsed
from rpd.adapters.report.words import one_line
from rpd.adapters.terminal import output
from rpd.adapters.tunnels.detached import PortPair, close_tunnel, tunnels_of
from rpd.engine.errors import UserError
from rpd.engine.ports import Request
from rpd.states.ports.exits import Exit


def open_tunnel(run: str | None, words: list[str], *, path: str, once: bool, detach: bool, browser: bool) -> int:
    """0 when a person ends it, or once it is up in the background."""
    run, words = _meant(run, words)
    if not words:
        raise UserError("which port of the pod?", hint="rpd tunnel RUN 8188")
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise UserError(f"--path {path!r} is no path of a web service; it begins with /")
    if once and detach:
        raise UserError("--once and --detach contradict each other")
    reached = reach(find_run_with_pod(run))
    wishes = Wishes(parsed(words), path, once)
    output.note([one_line(reached.standing)])
    if detach:
        tunnel = start(reached, wishes)
        _tell(tunnel.ports, browser=browser)
        output.note(
            [f"in the background as pid {tunnel.pid}, until the pod is gone or: rpd tunnel {run or ''} --close"]
        )
        return 0
    control = ProcessControl()
    told: list[PortPair] = []
    tunnelling = Tunnelling(reached, wishes, control, lambda text: output.note([one_line(text)]))

    def is_up(port: PortPair) -> None:
        _tell((port,), browser=browser and not told)
        told.append(port)

    try:
        with signal_requests(control.ask, on_hangup=lambda: control.ask(Request("terminate", "SIGHUP"))):
            tunnelling.begin()
            tunnelling.verify(is_up)
            tunnelling.keep()
    finally:
        tunnelling.close()
    output.note(["the tunnel is closed; the pod goes on"])
    return 0


def close_tunnels(run: str | None, words: list[str]) -> int:
    """0 once no tunnel of this run is left in the background. Without a run: all of them."""
    if words:
        raise UserError("--close takes no ports: it closes all tunnels of the run")
    home = state_home()
    journal = str(find_run_with_pod(run)) if run is not None else None
    wanted = [each for each in tunnels_of(home) if journal in (None, each.journal)]
    left = [each for each in wanted if not close_tunnel(home, each)]
    closed = len(wanted) - len(left)
    output.note([f"closed {closed} of {len(wanted)}" if left else f"closed: {closed}"])
    output.note(f"pid {each.pid} does not end" for each in left)
    return Exit.INTERNAL if left else 0


def _meant(run: str | None, words: list[str]) -> tuple[str | None, list[str]]:
    """`rpd tunnel 8188` means the one run with a pod."""
    if run is not None and run.replace(":", "").isdigit():
        return None, [run, *words]
    return run, words


def _tell(ports: tuple[PortPair, ...], *, browser: bool) -> None:
    """The URLs on stdout, for scripts, and what is known of each on stderr."""
    for port in ports:
        output.text([port.url])
        output.note([one_line(f"{port.url} leads to port {port.remote} of the pod ({port.standing or 'waiting'})")])
    if browser and ports:
        import webbrowser

        webbrowser.open(ports[0].url)
