"""Operations on one pod through the cloud's API: rent it, look at it, start it, give it back."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from rpd.engine.deadline import elapsed
from rpd.engine.errors import NotSent, Refused, Unavailable
from rpd.engine.operation import Call, Ended, Result
from rpd.journal.records import DebtChange, Stamp
from rpd.states.facts import PROVED_ABSENT, Facts
from rpd.states.facts.pod import Candidate, Missed, Origin, PodFacts, Span, candidate_key, close_spans
from rpd.states.facts.search import Refusal
from rpd.states.operations.kinds import Effect, Reading
from rpd.states.policy.outage import PATIENCE_SECONDS, is_unreached
from rpd.states.policy.twin import MAKER, may_name_run
from rpd.states.ports.boot_signs import BootSign, find
from rpd.states.ports.faults import KEY_FAULTS, Fault
from rpd.states.ports.names import Op
from rpd.states.ports.world import Cloud, Pod, PodOrder, World

CANDIDATE_REFUSALS = frozenset({"no_capacity", "pool_forbidden", "proved_absent"})
"""Faults of a create that another candidate may not have."""
UNREADABLE_SECONDS = PATIENCE_SECONDS
"""How long the account may stay unreadable after the quiet window, before the search moves on to the release."""
SWITCH_SECONDS = 120.0
"""How late the switch in the pod may act, because of its interval and a slow cloud."""
LOG_LINES, LOG_LINES_KEPT = 40, 3
"""How many lines of each log are searched for signs, and how many are kept."""


class PodSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pod as the cloud described it; None if there is no pod. The environment is left out, because it may hold values
    of the user. `is_newly_locked`: the look before did not see the lock.
    """

    pod: Pod | None = msgspec.field(default_factory=lambda: None)  # written even when there is none
    is_newly_locked: bool = False


class PodMade(msgspec.Struct, frozen=True, omit_defaults=True):
    """The pod that a create has made. `adopted`: the answer was lost, and the pod was found in the account."""

    pod: Pod
    adopted: bool = False


class Accepted(msgspec.Struct, frozen=True):
    """The pod that the cloud accepted to start or to release."""

    pod_id: str


class LogLines(msgspec.Struct, frozen=True):
    """The last lines of the provider's log and of the container's log, and the most useful sign in them."""

    lines: tuple[str, ...]
    container: tuple[str, ...] = ()
    sign: BootSign | None = None


class CreatePod(Effect[PodMade], frozen=True):
    """Rent a pod. This is the only effect that cannot be repeated and has no key. Only its name proves that the pod is
    ours.
    """

    name = Op.CREATE_POD
    words = "renting a pod"
    noun = "create"
    answers = PodMade

    order: PodOrder
    candidate: Candidate
    usd_per_hour: float
    run_id: str
    quiet_window_seconds: float

    def perform(self, call: Call, world: World) -> Result:
        """Send the create once. A definite refusal closes its debt at once."""
        try:
            return Result(answer=PodMade(_bare(world.cloud.create(self.order))))
        except (Refused, NotSent) as error:
            debts = self._closed(error.message)
            return Result("failed", reason=error.reason, error=error.message, retryable=error.retryable, debts=debts)

    def probe(self, call: Call, world: World) -> Result | None:
        """Look for the name in the account. If it is found, adopt the pod at once. If not, nothing is certain until the
        quiet window is over. Even then the run sweeps for a late pod to its end.
        """
        try:
            pods = world.cloud.list()
        except (Refused, Unavailable) as error:
            if elapsed(call.at, world.clock.now()) < self.quiet_window_seconds + UNREADABLE_SECONDS:
                return None
            # The debt stays open: the release asks again, and reports it if the key is the cause.
            return Result("unknown", reason=error.reason, error=error.message, retryable=True)
        ours = [pod for pod in pods if self._is_ours(pod)]
        if ours:
            return Result(answer=PodMade(_bare(ours[0]), adopted=True))
        waited = elapsed(call.at, world.clock.now())
        if waited < self.quiet_window_seconds:
            return None
        text = f"no pod named {self.order.name} appeared within {waited:.0f} s"
        return Result("failed", reason=PROVED_ABSENT, error=text, detail={"may_appear": True}, debts=self._closed(text))

    def begin(self, facts: Facts, attempt: int, at: Stamp) -> None:
        """From here on it is not known whether such a pod exists."""
        origin = Origin(attempt, self.candidate, at, at)
        origin.made_by = self.order.env.get(MAKER, "")
        pod = facts.pods[self.order.name] = PodFacts(self.order.name, origin, self.usd_per_hour)
        pod.is_unknown = True
        facts.current = pod.name

    def end(self, facts: Facts, ended: Ended[PodMade]) -> None:
        """The pod gets its id. Or its refusal is noted, which may rule the candidate out."""
        pod, outcome, at = facts.pods[self.order.name], ended.outcome, ended.at
        if ended.answer is not None:
            seen = ended.answer.pod
            pod.id, pod.seen, pod.started_at = seen.id, seen, at
            pod.is_unknown = pod.was_found = ended.answer.adopted
            pod.usd_per_hour = seen.usd_per_hour or pod.usd_per_hour
            pod.spans.append(Span(pod.origin.sent_at, pod.usd_per_hour))
            pod.starts = 1
        elif outcome.status == "failed":
            # A refusal is final. If absence was proved only by waiting, a late pod may still appear, so sweeps go on.
            pod.is_unknown = bool(outcome.data.get("may_appear"))
            pod.is_gone = not pod.is_unknown
            reason = pod.origin.create_error = outcome.reason or "refused"
            if reason in CANDIDATE_REFUSALS:
                facts.search.refusals[candidate_key(self.candidate)] = Refusal(reason, outcome.error or reason, at)
        if not outcome.settled:
            pod.origin.last_sent_at = at

    def _is_ours(self, pod: Pod) -> bool:
        return pod.name == self.order.name and may_name_run(pod, self.run_id) and pod.status != "TERMINATED"

    def _closed(self, proof: str) -> tuple[DebtChange, ...]:
        return (DebtChange(self.order.name, "compute", "close", proof=proof),)


class ReadPod(Reading[PodSeen], frozen=True):
    """Look at the pod in hand. `unowed` is its name if no compute debt is open for it. `locked`: its lock is already
    known.
    """

    name = Op.READ_POD
    words = "reading the pod"
    noun = "pod"
    answers = PodSeen

    pod_id: str
    unowed: str | None = None
    locked: bool = False

    @classmethod
    def in_hand(cls, facts: Facts) -> ReadPod:
        """A look at the pod in hand."""
        pod = facts.pod
        assert pod is not None and pod.id is not None, "there is a pod"
        unowed = None if pod.name in facts.debts.compute else pod.name
        return cls(pod.id, unowed, locked=pod.seen is not None and pod.seen.is_locked)

    def perform(self, world: World) -> Result:
        """If the pod computes without an open debt, it was started from outside this run. It is owed from the moment
        of this look.
        """
        pod = world.cloud.get(self.pod_id)
        if pod is None:
            return Result(answer=PodSeen(None))
        seen = PodSeen(_bare(pod), is_newly_locked=pod.is_locked and not self.locked)
        if self.unowed is None or pod.status != "RUNNING":
            return Result(answer=seen)
        return Result(answer=seen, debts=(DebtChange(self.unowed, "compute", "open", usd_per_hour=pod.usd_per_hour),))

    @classmethod
    def saw(cls, facts: Facts, answer: PodSeen, at: Stamp) -> None:
        """The pod is there, or it is missed once more."""
        pod, seen = facts.pod, answer.pod
        if pod is None:
            return
        if seen is None or seen.status == "TERMINATED":
            pod.missed = pod.missed.again(at)
            return
        pod.missed, pod.seen, pod.was_found = Missed(), seen, True
        is_stopped = pod.spans[-1].until is not None if pod.spans else pod.origin.paused is not None
        if seen.status == "EXITED":
            close_spans(pod, at)
        elif pod.kept_until is not None and seen.status == "RUNNING" and at.wall > pod.kept_until + SWITCH_SECONDS:
            pod.kept_until = None  # its switch has not acted: it bills on
        elif seen.status == "RUNNING" and is_stopped:
            # Somebody else started it: what we did to it before does not hold any more.
            pod.spans.append(Span(at, seen.usd_per_hour or pod.usd_per_hour))
            pod.released_as = pod.kept_until = None
        elif seen.usd_per_hour and pod.spans and seen.usd_per_hour != pod.spans[-1].usd_per_hour:
            pod.usd_per_hour = pod.spans[-1].usd_per_hour = seen.usd_per_hour


class ReadSystemLog(Reading[LogLines], frozen=True):
    """Read both logs of a pod that does not come up."""

    name = Op.READ_SYSTEM_LOG
    words = "reading the provider's log"
    noun = "provider's log"
    answers = LogLines

    pod_id: str
    no_sshd: str | None = None

    def perform(self, world: World) -> Result:
        """The last lines of both logs, and the sign in them."""
        log = world.cloud.pod_log(self.pod_id, LOG_LINES)
        sign = find(log.system, log.container)
        system, container = tuple(log.system[-LOG_LINES_KEPT:]), tuple(log.container[-LOG_LINES_KEPT:])
        silent = {"no_sshd": self.no_sshd} if self.no_sshd else {}
        return Result(answer=LogLines(system, container, sign), detail=silent)

    @classmethod
    def saw(cls, facts: Facts, answer: LogLines, at: Stamp) -> None:
        """Why the container is not up."""
        facts.container.why_not_up = (*answer.lines, *answer.container)
        facts.container.boot_sign = answer.sign


class StartPod(Effect[Accepted], frozen=True):
    """Start a stopped pod."""

    name = Op.START_POD
    words = "starting the pod"
    noun = "start"
    answers = Accepted

    pod_id: str

    def perform(self, call: Call, world: World) -> Result:
        """Send the start to the cloud."""
        world.cloud.start(self.pod_id)
        return Result(answer=Accepted(self.pod_id))

    def probe(self, call: Call, world: World) -> Result | None:
        """Whether the start took effect: every status but EXITED means yes."""
        try:
            pod = world.cloud.get(self.pod_id)
        except Refused as error:  # waiting does not repair a refused key
            return Result("unknown", reason=error.reason, error=error.message, retryable=True)
        if pod is None or pod.status in ("EXITED", "TERMINATED"):
            text = "the pod is still stopped" if pod is not None else "there is no such pod"
            return Result("failed", reason="start_refused", error=text, retryable=True)
        return Result(answer=Accepted(pod.id))

    def end(self, facts: Facts, ended: Ended[Accepted]) -> None:
        """A new start of the pod, or one more refusal."""
        pod, at = facts.pod, ended.at
        if pod is None:
            return
        if ended.answer is not None:
            pod.started_at, pod.starts, pod.released_as, pod.missed = at, pod.starts + 1, None, Missed()
            pod.spans.append(Span(at, pod.usd_per_hour))
            pod.container.greeting = pod.kept_until = pod.seen = None
            pod.container.secrets_left = "" if pod.container.secrets_left == "memory" else pod.container.secrets_left
            facts.contact.offline_seconds = 0.0
        elif not is_unreached(self.name, ended.outcome.reason):
            pod.refused_starts += 1


class GiveBack(Effect[Accepted], frozen=True):
    """End the billing of one pod. `how` is the word for the facts, `proved` the word for a proof. `at_rest` are the
    statuses in which the release is done.
    """

    answers = Accepted
    how: ClassVar[str]
    proved: ClassVar[str]
    at_rest: ClassVar[frozenset[str]]

    pod_id: str

    def tell(self, cloud: Cloud) -> None:
        """Send the release to the cloud."""
        raise NotImplementedError

    def is_done(self, pod: Pod | None) -> bool:
        """Whether a pod in this state is no longer billed, in the way that was meant."""
        return pod is None or pod.status in self.at_rest

    def perform(self, call: Call, world: World) -> Result:
        """Send the release to the cloud."""
        self.tell(world.cloud)
        return Result(answer=Accepted(self.pod_id))

    def probe(self, call: Call, world: World) -> Result | None:
        """Whether the release took effect. If that was not seen, repeat it: both effects may be repeated."""
        accepted = Accepted(self.pod_id)
        try:
            pod = world.cloud.get(self.pod_id)
        except Refused as error:  # waiting does not repair a refused key: `decide` must know it, and has a deadline
            return Result("unknown", accepted, reason=error.reason, error=error.message, retryable=True)
        if self.is_done(pod):
            return Result(answer=accepted)
        text = f"pod {self.pod_id} is still {pod.status if pod is not None else 'there'}"
        return Result("failed", accepted, reason="still_there", error=text, retryable=True)

    def begin(self, facts: Facts, attempt: int, at: Stamp) -> None:
        """Note when the release was sent."""
        facts.debts.release_asked[self.pod_id] = facts.progress.seq

    def end(self, facts: Facts, ended: Ended[Accepted]) -> None:
        """An accepted release is not yet a release: surveys must prove it."""
        outcome, at, release = ended.outcome, ended.at, facts.release
        is_answer = outcome.reason not in KEY_FAULTS and not is_unreached(self.name, outcome.reason)
        if outcome.status != "unknown" and is_answer:
            release.tries += 1
            release.tried_since = release.tried_since or at
        if ended.answer is not None:
            release.key_refused_since = None
            self._note(facts, self.how, at)
        elif outcome.reason in KEY_FAULTS:
            release.key_refused_since = release.key_refused_since or at
        elif outcome.reason == Fault.NOT_FOUND:
            # The cloud says that there is nothing to stop. Surveys must prove that; the next survey comes before the
            # next try.
            self._note(facts, "absent", at)

    def _note(self, facts: Facts, how: str, at: Stamp) -> None:
        facts.debts.released[self.pod_id] = at
        for pod in facts.pods.values():
            if pod.id != self.pod_id:
                continue
            if how != "absent":
                if pod.released_as == how and pod.spans and pod.spans[-1].until == pod.released_at:
                    pod.spans[-1].until = at  # it was told before, and went on
                close_spans(pod, at)
            pod.released_as, pod.released_at = how, at


class StopPod(GiveBack, frozen=True):
    """Stop a pod: it computes no more, and its volume stays."""

    name = Op.STOP_POD
    words = "stopping the pod"
    noun = "stop"
    how = "stop"
    proved = "stopped"
    at_rest = frozenset({"TERMINATED", "EXITED"})

    def tell(self, cloud: Cloud) -> None:
        """Send the stop to the cloud."""
        cloud.stop(self.pod_id)


class DeletePod(GiveBack, frozen=True):
    """Delete a pod with all the data on its disks."""

    name = Op.DELETE_POD
    words = "deleting the pod"
    noun = "delete"
    how = "delete"
    proved = "absent"
    at_rest = frozenset({"TERMINATED"})

    def tell(self, cloud: Cloud) -> None:
        """Send the delete to the cloud."""
        cloud.delete(self.pod_id)


def _bare(pod: Pod) -> Pod:
    return msgspec.structs.replace(pod, env={})
