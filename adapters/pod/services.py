"""The services of a session: local ports that lead to them, and what they answer over these ports."""

from __future__ import annotations

from collections.abc import Callable

from rpd.adapters.tunnels.forward import Forward
from rpd.adapters.tunnels.forwards import Forwards
from rpd.adapters.tunnels.verifying import Verified
from rpd.engine.errors import RpdError, UserError
from rpd.states.ports.session import Served, Service
from rpd.states.ports.world import Target

LINK_SECONDS = 10.0
"""How long a new link may take before the services are asked over it."""
ANSWER_SECONDS = 5.0
"""How long one service may take for each part of its answer. A request of a person waits for it."""

OpenForwards = Callable[[Target], Forwards]


class Services:
    """The forwards to the pod in hand. Another pod, or another host key of it, gets new ones, at the same local ports
    where they are free. Owned by one thread.
    """

    def __init__(self, open_forwards: OpenForwards) -> None:
        self._open_forwards = open_forwards
        self._forwards: Forwards | None = None
        self._of: tuple[str, str | None] | None = None
        self._ports: dict[int, Forward] = {}
        self._local: dict[int, int] = {}

    def ask(self, target: Target, services: tuple[Service, ...]) -> tuple[Served, ...]:
        """One answer for each service. A service or a link that does not answer is no error."""
        if not services:
            return ()
        forwards = self._into(target)
        try:
            forwards.link.connection(LINK_SECONDS)
        except RpdError as error:
            if forwards.link.state == "over":
                self.close()  # the next call begins anew
            return tuple(Served(each.port, self._local.get(each.port), False, error.message) for each in services)
        return tuple(self._asked(forwards, each) for each in services)

    def close(self) -> None:
        """Close all local ports."""
        forwards, self._forwards, self._of = self._forwards, None, None
        self._ports.clear()
        if forwards is not None:
            forwards.close()

    def _into(self, target: Target) -> Forwards:
        key = target.pod_id, target.host_key
        if self._forwards is None or self._of != key:
            self.close()
            self._forwards, self._of = self._open_forwards(target), key
        return self._forwards

    def _asked(self, forwards: Forwards, service: Service) -> Served:
        try:
            forward = self._ports.get(service.port) or self._listen(forwards, service.port)
        except UserError as error:
            return Served(service.port, None, False, error.message)
        found = forwards.check(forward, service.path, ANSWER_SECONDS)
        said = f"HTTP {found.status}" if isinstance(found, Verified) else found.text
        return Served(service.port, forward.local_port, isinstance(found, Verified), said)

    def _listen(self, forwards: Forwards, port: int) -> Forward:
        """The local port of before, if it is still free: a page that is open in a browser goes on."""
        try:
            forward = forwards.open(port, self._local.get(port))
        except UserError:
            forward = forwards.open(port)
        self._ports[port], self._local[port] = forward, forward.local_port
        return forward
