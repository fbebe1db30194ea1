"""All forwards to one pod, over one SSH connection."""

from __future__ import annotations

from collections.abc import Callable

from rpd.adapters.local.control import ProcessControl
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.tunnels.forward import Forward
from rpd.adapters.tunnels.link import Link
from rpd.adapters.tunnels.local_port import listen
from rpd.adapters.tunnels.verifying import Unverified, Verified, Why, verify
from rpd.engine.errors import RpdError
from rpd.engine.ports import Request

CHECK_SECONDS = 10.0
_JOIN_SECONDS = 5.0


class Forwards:
    """Ports of 127.0.0.1 that lead into one pod. They outlive a lost link. Close it in the end.

    `connect` gives the pod's connection, opened anew if it broke, and `hang_up` ends it. Both are called on one thread
    of this object, so a pool that they use must be its own. `control` is the one to which that pool listens; this
    object asks it to end. `tell` gets what a person should know (a moved port, a lost link), from any thread.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        hang_up: Callable[[], None],
        control: ProcessControl,
        tell: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._control = control
        self._tell = tell
        self.link = Link(connect, hang_up, control, tell)
        self._forwards: list[Forward] = []

    def open(self, remote_port: int, local_port: int | None = None) -> Forward:
        """Listen on this machine for connections to `remote_port` of the pod. None: at the same number, or at the next
        free one. Does not wait for the link. Raises UserError (`port_taken`)."""
        forward = Forward(self.link, listen(remote_port, local_port), remote_port)
        self._forwards.append(forward)
        if local_port is None and forward.local_port != remote_port:
            self._tell(f"port {remote_port} of this machine is taken or not for us: {forward.url} leads to the pod's")
        return forward

    def check(self, forward: Forward, path: str = "/", seconds: float = CHECK_SECONDS) -> Verified | Unverified:
        """One HTTP request through the forward. It does not wait for a link that is down."""
        try:
            self.link.connection(0.0)
        except RpdError as error:
            return Unverified(Why.LINK_DOWN, error.message)
        return verify(forward, path, seconds)

    def close(self) -> None:
        """Close all forwards and the connection. Safe to repeat."""
        self._control.ask(Request("interrupt", "the tunnel is closed"))
        while self._forwards:
            self._forwards.pop().close()
        self.link.join(_JOIN_SECONDS)

    def __enter__(self) -> Forwards:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
