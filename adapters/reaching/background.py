"""A tunnel in a process of its own: `python -m rpd.adapters.reaching.background`, with its order on stdin.

It has no terminal. It ends by SIGTERM, with its pod, or when its host key changes.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec

from rpd.adapters.access.background_log import in_background, say
from rpd.adapters.local.background import start_module
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import private_folder, state_home
from rpd.adapters.local.signals import signal_requests
from rpd.adapters.reaching.pod_of_run import Reached, reach
from rpd.adapters.reaching.tunnelling import Tunnelling, Wishes
from rpd.adapters.tunnels.detached import Tunnel, held, log_of, told, tunnels_folder, tunnels_of
from rpd.engine.errors import UserError
from rpd.states.ports.exits import Exit

START_SECONDS = 60.0
GIVE_UP_SECONDS = 12 * 3600.0
"""A tunnel that nobody watches ends when it leads nowhere for this long, also if the cloud does not say why."""
_LOOK_SECONDS = 0.05


class Order(msgspec.Struct, frozen=True):
    """What the process shall be."""

    name: str
    journal: str
    wishes: Wishes


def start(reached: Reached, wishes: Wishes) -> Tunnel:
    """Effect: start the process, and wait until its ports answer or wait for their services. Raises UserError with what
    it said if it ends before."""
    home = state_home()
    private_folder(tunnels_folder(home))
    name = f"{reached.target.pod_id}-{os.getpid()}-{time.time_ns():x}"
    order = msgspec.json.encode(Order(name, str(reached.journal), wishes))
    log = log_of(home, name)
    process = start_module("rpd.adapters.reaching.background", order, log, home)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        mine = next((each for each in tunnels_of(home) if each.name == name and each.state != "starting"), None)
        if mine is not None:
            return mine
        if process.poll() is not None:
            said = log.read_text(errors="replace").strip()
            log.unlink(missing_ok=True)
            raise UserError(f"the tunnel ended: {said or 'without a word'}", reason="tunnel", exit_code=Exit.INTERNAL)
        time.sleep(_LOOK_SECONDS)
    process.terminate()
    process.wait()
    raise UserError(f"the tunnel was not up after {START_SECONDS:.0f} s", reason="tunnel", exit_code=Exit.INTERNAL)


def _live(order: Order) -> int:
    home, control = state_home(), ProcessControl()
    reached = reach(Path(order.journal))
    tunnel = Tunnel(
        name=order.name,
        pid=os.getpid(),
        started=time.time(),
        run_id=reached.facts.run_id,
        journal=order.journal,
        pod_id=reached.target.pod_id,
    )

    def now(state: str) -> None:
        told(home, msgspec.structs.replace(tunnel, ports=tunnelling.ports, state=state))

    with signal_requests(control.ask, terminal=False), held(home, tunnel):
        tunnelling = Tunnelling(reached, order.wishes, control, say)
        try:
            tunnelling.begin()
            tunnelling.verify(lambda port: None, looked=lambda: now("up"), give_up_seconds=GIVE_UP_SECONDS)
            tunnelling.keep(now, give_up_seconds=GIVE_UP_SECONDS)
        finally:
            tunnelling.close()
    log_of(home, order.name).unlink(missing_ok=True)
    return 0


def main() -> int:
    """Be the tunnel."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    return in_background("a tunnel in the background", lambda: _live(order))


if __name__ == "__main__":
    sys.exit(main())
