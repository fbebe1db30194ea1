"""Operations in the pod before the job: greet it, arm its switch, and prepare what the job needs."""

from __future__ import annotations

import msgspec

from rpd.engine.operation import Call, Ended, Nothing, Result
from rpd.journal.records import Observation, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.run import Lease
from rpd.states.operations.kinds import Effect, Reading
from rpd.states.policy.bounds import TAIL_BYTES, last_that_fit
from rpd.states.policy.outage import is_unreached
from rpd.states.policy.python_pin import python_reported
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import Job, SecretFile
from rpd.states.ports.names import Op, Reason, State
from rpd.states.ports.world import (
    Armed,
    Greeting,
    Holder,
    Pushed,
    SshAddress,
    Step,
    SwitchOrder,
    Target,
    Tree,
    World,
)

LASTING: dict[str, Reason] = {
    Fault.BARRED: Reason.SSH_REFUSED,
    Fault.NO_SESSION: Reason.SSH_REFUSED,
    Fault.NO_TOOL: Reason.SSH_REFUSED,
    Fault.READ_ONLY: Reason.VOLUME_REFUSED,
    Fault.DISK_FULL: Reason.VOLUME_REFUSED,
}
"""Refusals of a greeting that come from the settings of the image or of the volume. Neither time nor another host
changes them. A key that is not accepted is not one of them: a container that starts may not have written it yet.
"""


class Greeted(msgspec.Struct, frozen=True):
    """What the pod says about itself."""

    greeting: Greeting


class SwitchArmed(msgspec.Struct, frozen=True):
    """What the switch in the pod says about its orders."""

    armed: Armed


class StepDone(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a command ended, with its last lines. `left_out` lines before these did not fit into the record."""

    key: str
    exit_code: int
    tail: tuple[str, ...] = msgspec.field(default_factory=lambda: ())  # written even when it is empty
    seconds: float | None = None
    left_out: int = 0


class SecretsPlaced(msgspec.Struct, frozen=True):
    """Whether the files lie in the memory of the pod, and not on its disk."""

    is_volatile: bool


class TreePushed(msgspec.Struct, frozen=True):
    """What was sent."""

    key: str
    pushed: Pushed


class LeaseTaken(msgspec.Struct, frozen=True):
    """The holders of the destinations. None: this run has all leases."""

    key: str
    holders: tuple[Holder, ...]


class Greet(Reading[Greeted], frozen=True):
    """Ask the pod over a fresh connection for its greeting."""

    name = Op.GREET
    words = "greeting sshd"
    noun = "sshd"
    answers = Greeted

    target: Target
    address: SshAddress

    def perform(self, world: World) -> Result:
        """The answer without the pod's clock, which changes at every look."""
        greeting = world.remote.greet(self.target, self.address)
        return Result(answer=Greeted(msgspec.structs.replace(greeting, clock=0.0)))

    @classmethod
    def saw(cls, facts: Facts, answer: Greeted, at: Stamp) -> None:
        """The pod answers. It may have seen records that this journal lacks."""
        if facts.pod is None:
            return
        facts.pod.container.greeting = answer.greeting
        facts.pod.container.greeted_start = facts.pod.start_and_address
        anchor = answer.greeting.anchor_seq
        is_ahead = anchor is not None and anchor > facts.progress.seq
        facts.launch.was_taken_over = facts.launch.was_taken_over or is_ahead

    @classmethod
    def missed(cls, facts: Facts, observation: Observation, at: Stamp) -> None:
        """Whether the refusal may pass, and whether the host has answered for a pod that was never greeted."""
        if facts.pod is None:
            return
        knocks = facts.pod.container.knocks
        is_closed = observation.reason == Fault.SSH_UNREACHABLE and observation.data.get("closed") is True
        knocks.closed_since = (knocks.closed_since or at) if is_closed else None
        if not is_unreached(cls.name, observation.reason):
            is_lasting = observation.reason in LASTING
            knocks.refused_since = (knocks.refused_since or at) if is_lasting else None
            knocks.refusals = knocks.refusals + 1 if is_lasting else 0


class ArmSwitch(Effect[SwitchArmed], frozen=True):
    """Give the dead-man's switch in the pod its orders. Arming again replaces them."""

    name = Op.ARM_SWITCH
    words = "arming the dead-man's switch"
    noun = "switch"
    answers = SwitchArmed

    target: Target
    order: SwitchOrder

    def perform(self, call: Call, world: World) -> Result:
        """Write the orders, start the switch, read it back."""
        return Result(answer=SwitchArmed(world.remote.arm(self.target, self.order)))

    def begin(self, facts: Facts, attempt: int, at: Stamp) -> None:
        """The later of two limits holds until the pod says which one holds."""
        armed = facts.container.armed
        if armed is not None:
            limit = max(armed.limit_at, self.order.limit_at)
            facts.container.armed = msgspec.structs.replace(armed, limit_at=limit)

    def end(self, facts: Facts, ended: Ended[SwitchArmed]) -> None:
        """The switch for this start of the pod. In the release: until when it keeps the pod up."""
        pod, container = facts.pod, facts.container
        if ended.answer is None:
            container.may_arm_again = ended.outcome.retryable
            if facts.state is State.RELEASE and pod is not None:
                pod.kept_until = None  # rpd could not reach the switch: it may be gone, and must prove itself again
        elif pod is not None:
            armed = container.armed = ended.answer.armed
            container.armed_start, container.may_arm_again = pod.starts, False
            if facts.state is State.RELEASE and armed.probe == "ok":
                pod.kept_until = armed.limit_at


class RunStep(Effect[StepDone], frozen=True):
    """Run one command. The pod does not repeat a step that was done under the same key. A step that was cut off is run
    again.
    """

    name = Op.RUN_STEP
    words = "running"
    noun = "command"
    answers = StepDone
    is_work = True

    target: Target
    step: Step

    @property
    def label(self) -> str:
        """The step."""
        return f"{self.words} {self.step.label}"

    def perform(self, call: Call, world: World) -> Result:
        """Run it to its end."""
        done = world.remote.run_step(self.target, self.step)
        tail = last_that_fit(done.tail, TAIL_BYTES)
        left_out = len(done.tail) - len(tail)
        return Result(answer=StepDone(self.step.done_key, done.exit_code, tail, round(done.seconds, 3), left_out))

    def end(self, facts: Facts, ended: Ended[StepDone]) -> None:
        """Its exit code, and the Python version if the step reported one."""
        done, container = ended.answer, facts.container
        if done is not None:
            container.steps_done[done.key], container.step_tail = done.exit_code, done.tail
            container.python = python_reported(done.key, done.exit_code, done.tail) or container.python


class Secret(msgspec.Struct, frozen=True):
    """A file of secrets as it stands in a record. A journal masks values of secrets everywhere, so a value that is read
    back need not be valid in a job file.
    """

    name: str
    destination: str
    env: tuple[str, ...] = ()
    file: str | None = None
    mode: str = "0600"

    @property
    def wanted(self) -> SecretFile:
        """The file in the form that the remote port needs."""
        return SecretFile(self.name, self.destination, self.env, self.file, self.mode)


def secrets_of(job: Job) -> tuple[Secret, ...]:
    """The files of secrets of a job."""
    return tuple(Secret(each.name, each.destination, each.env, each.file, each.mode) for each in job.secrets)


class PlaceSecrets(Effect[SecretsPlaced], frozen=True):
    """Place the files of secrets in the pod. Only the adapter knows their values."""

    name = Op.PLACE_SECRETS
    words = "placing the secrets"
    noun = "secrets"
    answers = SecretsPlaced
    is_work = True

    target: Target
    secrets: tuple[Secret, ...]

    def perform(self, call: Call, world: World) -> Result:
        """All of them."""
        return Result(answer=SecretsPlaced(world.remote.place_secrets(self.target, _wanted(self.secrets))))

    def begin(self, facts: Facts, attempt: int, at: Stamp) -> None:
        """The files count as on its disk until the pod says otherwise."""
        if facts.pod is not None:
            facts.pod.container.secrets_left = "disk"

    def end(self, facts: Facts, ended: Ended[SecretsPlaced]) -> None:
        """This container has the files."""
        if ended.answer is not None and facts.pod is not None:
            facts.pod.container.secrets_in = facts.pod.container_name
            facts.pod.container.secrets_left = "memory" if ended.answer.is_volatile else "disk"


class RemoveSecrets(Effect[Nothing], frozen=True):
    """Remove the files of secrets from the pod."""

    name = Op.REMOVE_SECRETS
    words = "removing the secrets"
    noun = "secrets"

    target: Target
    secrets: tuple[Secret, ...]

    def perform(self, call: Call, world: World) -> Result:
        """Remove all files."""
        world.remote.remove_secrets(self.target, _wanted(self.secrets))
        return Result()

    def end(self, facts: Facts, ended: Ended[Nothing]) -> None:
        """This container has no such files."""
        if ended.answer is not None and facts.pod is not None:
            facts.pod.container.secrets_in, facts.pod.container.secrets_left = None, ""


class PushTree(Effect[TreePushed], frozen=True):
    """Send a tree. A repeated push sends only the differences."""

    name = Op.PUSH_TREE
    words = "sending"
    noun = "staging"
    answers = TreePushed
    is_work = True

    target: Target
    tree: Tree
    key: str

    @property
    def label(self) -> str:
        """The tree."""
        return f"{self.words} {self.tree.label}"

    def perform(self, call: Call, world: World) -> Result:
        """Send all that the pod lacks."""
        return Result(answer=TreePushed(self.key, world.remote.push(self.target, self.tree)))

    def end(self, facts: Facts, ended: Ended[TreePushed]) -> None:
        """This container has the tree, or the error is kept."""
        if ended.answer is not None:
            facts.container.trees_done.add(ended.answer.key)
        else:
            facts.container.step_tail = (ended.outcome.error or "",)


class TakeLease(Effect[LeaseTaken], frozen=True):
    """Take destinations on a network volume. Leases that this run already has are found again. Leases in `gone` do not
    count.
    """

    name = Op.TAKE_LEASE
    words = "taking its leases on the network volume"
    noun = "leases on the volume"
    answers = LeaseTaken

    target: Target
    destinations: tuple[str, ...] = msgspec.field(name="places")
    gone: tuple[str, ...]
    key: str

    def perform(self, call: Call, world: World) -> Result:
        """Take all of them, or read which run holds one."""
        holders = world.remote.take_lease(self.target, self.destinations, self.gone)
        return Result(answer=LeaseTaken(self.key, tuple(holders)))

    def end(self, facts: Facts, ended: Ended[LeaseTaken]) -> None:
        """This run has them, or rpd must look at other holders."""
        taken = ended.answer
        if taken is not None:
            facts.lease = Lease(facts.lease.key if taken.holders else taken.key, taken.holders)


class DropLease(Effect[Nothing], frozen=True):
    """Give up the destinations on the network volume."""

    name = Op.DROP_LEASE
    words = "giving up its leases on the network volume"
    noun = "leases on the volume"

    target: Target

    def perform(self, call: Call, world: World) -> Result:
        """Drop all leases."""
        world.remote.drop_lease(self.target)
        return Result()

    def end(self, facts: Facts, ended: Ended[Nothing]) -> None:
        """The run has no lease any more."""
        if ended.answer is not None:
            facts.lease.key = ""


def _wanted(secrets: tuple[Secret, ...]) -> tuple[SecretFile, ...]:
    return tuple(each.wanted for each in secrets)
