"""The operation of a session: ask the services in the pod, and renew the owner's lease of the switch."""

from __future__ import annotations

import msgspec

from rpd.engine.deadline import elapsed
from rpd.engine.operation import Result
from rpd.journal.records import Observation, Stamp
from rpd.states.facts import Facts
from rpd.states.operations.kinds import Reading
from rpd.states.ports.names import Op
from rpd.states.ports.session import Served, Service
from rpd.states.ports.world import Target, World


class Answers(msgspec.Struct, frozen=True):
    """How each service answered. Empty for a session without services."""

    served: tuple[Served, ...]


class Attend(Reading[Answers], frozen=True):
    """Be there: a local port leads to each service, each is asked over it, and the switch learns that its
    owner is here.

    A local port is no effect that lasts: it ends with the process.
    """

    name = Op.ATTEND
    words = "asking the services in the pod"
    noun = "services"
    answers = Answers

    target: Target
    services: tuple[Service, ...]

    def perform(self, world: World) -> Result:
        """Ask all of them."""
        return Result(answer=Answers(tuple(world.remote.attend(self.target, self.services))))

    @classmethod
    def saw(cls, facts: Facts, answer: Answers, at: Stamp) -> None:
        """The last answers."""
        container = facts.container
        container.served = answer.served
        since, container.unreached_since = container.unreached_since, None
        container.was_unreached = elapsed(since, at) if since is not None else 0.0

    @classmethod
    def missed(cls, facts: Facts, observation: Observation, at: Stamp) -> None:
        """Since when nothing gets through."""
        facts.container.unreached_since = facts.container.unreached_since or at
