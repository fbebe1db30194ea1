"""A tunnel for a person: opened, verified port by port, kept until somebody ends it or its pod is gone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import msgspec

from rpd.adapters.access.clouds import redactor_for
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.reaching.pod_of_run import Reached, explained
from rpd.adapters.report.words import duration
from rpd.adapters.tunnels.detached import PortPair
from rpd.adapters.tunnels.forward import Forward
from rpd.adapters.tunnels.forwards import Forwards
from rpd.adapters.tunnels.verifying import Verified, Why
from rpd.adapters.wiring import cloud_of_run, forwards_into
from rpd.engine.errors import RpdError, Unavailable, UserError
from rpd.states.policy.reuse import handed_over_pods
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import Fault

CONNECT_SECONDS = 30.0
RECHECK_SECONDS = 1.0
_WAIT_SECONDS = 0.2
_FINAL = (Why.BARRED, Why.CLOSED)

Tell = Callable[[str], object]


class Wanted(msgspec.Struct, frozen=True):
    """A port of the pod, and the port here that a person named (None: the same, or the next free one)."""

    remote: int
    local: int | None = None


class Wishes(msgspec.Struct, frozen=True):
    """What a person asked for. `path` is asked for by HTTP. `once`: end rather than wait for a service or a link."""

    ports: tuple[Wanted, ...]
    path: str = "/"
    once: bool = False


def parsed(words: Sequence[str]) -> tuple[Wanted, ...]:
    """`8188`, `8188:9000`: the pod's port, and the one here. Raises UserError."""
    return tuple(map(_parsed, words))


def _parsed(word: str) -> Wanted:
    numbers = word.split(":")
    if len(numbers) > 2 or not all(each.isascii() and each.isdigit() and 0 < int(each) <= 65535 for each in numbers):
        raise UserError(f"{word!r} is no port; write PORT or PORT:LOCAL", hint="rpd tunnel RUN 8188:9000")
    return Wanted(int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else None)


class Tunnelling:
    """The forwards of one command. `ports` says how they stand. Close it in the end."""

    def __init__(self, reached: Reached, wishes: Wishes, control: ProcessControl, tell: Tell) -> None:
        self._reached = reached
        self._wishes = wishes
        self._control = control
        self._tell = tell
        facts = reached.facts
        self._forwards: Forwards = forwards_into(
            reached.target,
            lambda own: cloud_of_run(
                facts.opened, facts.run_id, reached.access, own, handed_over=handed_over_pods(facts)
            ),
            reached.key_path,
            redactor_for(reached.access, opened=facts.opened),
            tell,
            reached.address,
        )
        self._look = f"rpd exec {facts.run_id} -- ss -ltn   shows what listens there"
        self._open: list[Forward] = []
        self._standing: dict[int, str] = {}

    def begin(self) -> None:
        """Open all ports, and wait for the link. Raises UserError."""
        self._open = [self._forwards.open(wanted.remote, wanted.local) for wanted in self._wishes.ports]
        deadline = time.monotonic() + CONNECT_SECONDS
        while not self._control.pending():
            try:
                self._forwards.link.connection(_WAIT_SECONDS)
                return
            except RpdError as error:
                if self._forwards.link.state == "over" or time.monotonic() > deadline:
                    raise explained(error, self._reached) from error

    @property
    def ports(self) -> tuple[PortPair, ...]:
        """The ports, with the last word about each service."""
        return tuple(
            PortPair(each.local_port, each.remote_port, self._standing.get(each.local_port, "")) for each in self._open
        )

    def verify(
        self,
        is_up: Callable[[PortPair], object],
        looked: Callable[[], object] = lambda: None,
        *,
        give_up_seconds: float = math.inf,
    ) -> None:
        """Ask each service until it answers, and report it. `looked` is called after each round. A service that does
        not speak HTTP is up as well, and so is one that answers with an error. With `once`, raises UserError for one
        that does not listen, and for a link that was down for `give_up_seconds`."""
        waiting, seen_up = list(self._open), time.monotonic()
        while waiting and not self._control.pending():
            for forward in tuple(waiting):
                if self._verified(forward):
                    waiting.remove(forward)
                    is_up(PortPair(forward.local_port, forward.remote_port, self._standing[forward.local_port]))
            looked()
            if waiting:
                self._raise_if_over()
                seen_up = self._still_up(seen_up, give_up_seconds)
                self._control.wait(RECHECK_SECONDS)

    def _verified(self, forward: Forward) -> bool:
        found = self._forwards.check(forward, self._wishes.path)
        if isinstance(found, Verified):
            self._standing[forward.local_port] = f"verified: status {found.status} for {self._wishes.path}"
            return True
        if found.why in (Why.NOT_HTTP, Why.SERVER_ERROR, Why.SILENT):
            self._standing[forward.local_port] = found.text
            return True
        if found.why in _FINAL or (self._wishes.once and found.why != Why.LINK_DOWN):
            raise UserError(found.text, reason=str(found.why), exit_code=Exit.INTERNAL, hint=self._look)
        if self._standing.get(forward.local_port) != found.text:
            self._standing[forward.local_port] = found.text
            self._tell(f"{found.text}; rpd asks again until it answers")
        return False

    def keep(self, changed: Callable[[str], object] = lambda state: None, *, give_up_seconds: float = math.inf) -> None:
        """Stay until somebody ends it. `changed` gets the state of the link when it changes. Raises UserError once the
        pod is gone or the link was down for `give_up_seconds`, or with `once` when the link is lost."""
        link, state, seen_up = self._forwards.link, "up", time.monotonic()
        while not self._control.pending():
            self._raise_if_over()
            seen_up = self._still_up(seen_up, give_up_seconds)
            if self._wishes.once and (link.losses or link.state == "down"):
                lost = link.error or Unavailable("the link to the pod was lost", reason=Fault.LINK_LOST)
                raise explained(lost, self._reached)
            if link.state != state:
                state = link.state
                changed(state)
            self._control.wait(_WAIT_SECONDS)

    def _still_up(self, seen_up: float, give_up_seconds: float) -> float:
        """When the link was last up (monotonic). Raises UserError if that was `give_up_seconds` ago."""
        link = self._forwards.link
        if link.state == "up":
            return time.monotonic()
        if time.monotonic() - seen_up > give_up_seconds:
            text = f"the link to the pod was down for {duration(give_up_seconds)}"
            raise explained(link.error or Unavailable(text, reason=Fault.LINK_LOST), self._reached)
        return seen_up

    def _raise_if_over(self) -> None:
        link = self._forwards.link
        if link.state == "over":
            error = link.error or Unavailable("the link to the pod is over", reason=Fault.LINK_LOST)
            raise explained(error, self._reached)

    def close(self) -> None:
        """Close all ports."""
        self._forwards.close()
