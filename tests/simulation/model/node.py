"""One situation: what the journal says (as folded facts), what is true, who holds the lock.

Situations that agree in their `key` count as the same. The key holds what the shipped code decides there, so two
moments that differ only in how much time has passed are told apart exactly when that makes a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rpd.engine.decision import Close, Decision, Do, Fire, Leave, Look, Wait
from rpd.journal.records import Intent, Record, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.release import CLEAN_SURVEYS_MIN
from rpd.states.interrupts import MISSES_MIN
from rpd.states.operations.pod import UNREADABLE_SECONDS
from rpd.states.policy import rules as policy
from rpd.states.policy.outage import is_of_the_way, is_offline
from rpd.states.ports.names import BEFORE_ATTENDING, BEFORE_LAUNCH, ENDINGS, Op, State
from rpd.states.shared.checkpoints import decide_pull
from tests.simulation.model.reality import START_WALL
from tests.simulation.model.truth import LATE_SECONDS, JobLife, PodStatus, PodTruth, Truth

PATIENCE = {Op.RUN_STEP: 5, Op.PUSH_TREE: 5, Op.ARM_SWITCH: 3, Op.WRITE_MANIFEST: 3}
"""Up to how many failures in a row make a difference to the code; elsewhere one and more are the same."""
RENTING = (State.SELECT, State.CREATE)
PARKING = (State.BOOT, State.COLLECT, State.RELEASE, State.ATTEND)
"""Where it matters that a run was parked before: a person who then ends it renounces what is in the pod."""
LOOKING = (State.CREATE, State.BOOT, State.RELEASE)
"""Where it matters that the account may hide a pod, while it is young, from who looks for it."""


class Axes(NamedTuple):
    """A situation in six words, for people."""

    state: str
    pod: str
    job: str
    artifacts: str
    lock: str
    switch: str

    def __str__(self) -> str:
        return (
            f"{self.state} [pod {self.pod}, job {self.job}, artifacts {self.artifacts}, lock {self.lock}, "
            f"switch {self.switch}]"
        )


@dataclass(slots=True, eq=False)
class Node:
    """A situation and the way to it. `facts` is a checkpoint; `tail` the records of the journal that say more than it
    does: record 0, the last move, the intents without an outcome."""

    facts: Facts
    tail: tuple[Record, ...]
    truth: Truth
    at: float
    is_live: bool
    is_closed: bool
    axes: Axes
    decision: Decision | None
    key: tuple[object, ...]
    parent: Node | None
    edge: str

    @property
    def pending(self) -> Intent | None:
        """The intent whose outcome is not known."""
        record = open_intent(self.tail)
        return record.body if record is not None else None  # type: ignore[return-value]

    def story(self) -> list[str]:
        """How it came to this, one line per step."""
        lines: list[str] = []
        node: Node | None = self
        while node is not None:
            lines.append(f"{node.edge}  ->  {node.axes}")
            node = node.parent
        return lines[::-1]


def open_intent(tail: tuple[Record, ...]) -> Record | None:
    """The record of the last intent of a tail, which is one without an outcome."""
    for record in reversed(tail):
        if isinstance(record.body, Intent):
            return record
    return None


RETURNING = (State.BOOT, State.CONNECT, State.ARM)
"""Where a pod with a job in it comes back after a stop: what is known of the job is read anew after these."""


def label(decision: Decision | None) -> str:
    """A decision in one word."""
    match decision:
        case Do() | Look():
            return str(decision.op)
        case Fire():
            return f"fire {decision.trigger}"
        case Wait():
            return "wait"
        case Leave():
            return "leave"
        case Close():
            return "close"
        case _:
            return "-"


def verified_here(facts: Facts) -> bool:
    """By the journal: the log was fetched, and each required artifact has its record."""
    return facts.results.log_fetched and all(a.label in facts.results.pulled for a in facts.job.artifacts if a.required)


_THERE = {PodStatus.LATE: "maybe", PodStatus.RUNNING: "yes", PodStatus.EXITED: "stopped", PodStatus.GONE: "no"}
_ENDED = {JobLife.DONE: "done", JobLife.FAILED: "done"}


def axes_of(facts: Facts, truth: Truth, is_live: bool, pending: Intent | None) -> Axes:
    """The six words."""
    pod = truth.named(facts.current)
    there = _THERE[pod.life] if pod is not None else "no"
    if pending is not None and pending.op == Op.CREATE_POD:
        there = "maybe"
    has_results = pod is not None and pod.holds_results
    artifacts = "here" if verified_here(facts) else "in the pod" if has_results else "none"
    return Axes(
        str(facts.state),
        there,
        _job_word(pod, pending),
        artifacts,
        "held" if is_live else "free",
        "armed" if pod is not None and pod.is_armed else "none",
    )


def _job_word(pod: PodTruth | None, pending: Intent | None) -> str:
    if pending is not None and pending.op == Op.LAUNCH_JOB:
        return "maybe"
    if pod is not None and pod.person:
        return "person"
    if pod is None or pod.job in (JobLife.NONE, JobLife.CLAIMED):
        return "no"
    return _ENDED.get(pod.job) or str(pod.job)


def key_of(axes: Axes, facts: Facts, truth: Truth, now: Stamp, pending: Record | None, word: str) -> tuple[object, ...]:
    """What makes two situations different, beside the six words. What a new process forgets makes no difference while
    nobody drives the run, and little does once nothing is left to release. A state that counts time adds what is
    left."""
    others = tuple(each.life for each in truth.pods if each.name != facts.current and each.may_compute)
    if facts.state is State.RELEASE and not facts.results_wait:
        axes = axes._replace(job="-")
    always = axes, word, _waiting(pending, now, facts), others
    if facts.state in (State.REPORT, State.DONE):
        return *always, facts.tried(Op.WRITE_MANIFEST).failures
    return (
        *always,
        _pod(facts, truth, now),
        _job(facts),
        facts.launch.intended,
        (facts.launch.number, facts.has_launched_here),
        facts.state is State.MONITOR and decide_pull(facts, now) is not None,
        facts.progress.parked_epoch >= 0 if facts.state in PARKING else None,
        _attempts(facts),
        _of_this_process(facts) if axes.lock == "held" else None,
    )


def _pod(facts: Facts, truth: Truth, now: Stamp) -> tuple[object, ...] | None:
    pod, real = facts.pod, truth.named(facts.current)
    if pod is None:
        return None
    is_kept = pod.kept_until is not None and now.wall < pod.kept_until
    known: tuple[object, ...] = pod.id is not None, pod.is_gone, pod.released_as, is_kept
    up = real is not None and real.is_up and facts.state is not State.RELEASE
    if facts.state is State.ATTEND and real is not None and pod.container.greeting is not None:
        known = *known, pod.container.greeting.container == str(real.container)
    if facts.state is State.TUNNEL and real is not None:
        known = *known, real.has_answered
    return known, up, _youth(facts, truth, now) if facts.state in LOOKING else None


def _job(facts: Facts) -> tuple[object, ...]:
    """What is known of the job, and of the run's end as far as it decides about the pod."""
    outcome = ENDINGS[facts.ending.reason][0] if facts.ending.reason in ENDINGS else None
    if facts.state is State.RELEASE:
        return policy.release_how(facts), facts.results_wait and (outcome, facts.results.gave_up)
    if not facts.launch.intended:
        return ()
    phase = facts.launch.claim and facts.launch.claim.phase
    if facts.state in RETURNING:
        return outcome is None, phase == "none"
    if facts.state is not State.COLLECT:
        return outcome is None, phase, facts.launch.was_stopped, facts.is_prepared
    return outcome, phase, facts.launch.was_stopped, facts.results.log_fetched


def _waiting(pending: Record | None, now: Stamp, facts: Facts) -> tuple[object, ...] | None:
    """The intent without an outcome, which patience with it is over, and whether it counts as a failure of the way."""
    if pending is None or not isinstance(pending.body, Intent):
        return None
    age = now.wall - pending.at.wall if pending.body.op == Op.CREATE_POD else 0.0
    op = pending.body.op
    is_its_own = op in PATIENCE and not is_of_the_way(op, facts.tried(op).reason)
    return op, (age > LATE_SECONDS) + (age > LATE_SECONDS + UNREADABLE_SECONDS), is_its_own


def _youth(facts: Facts, truth: Truth, now: Stamp) -> tuple[object, ...]:
    """Whether the account may still hide the pod, and whether the run knows that it may."""
    pod, real = facts.pod, truth.named(facts.current)
    hidden = real is not None and not real.was_shown and now.wall - START_WALL - real.sent_at < LATE_SECONDS
    return hidden, pod and (pod.is_unknown, pod.was_found)


def _attempts(facts: Facts) -> tuple[object, ...]:
    if facts.state in RENTING:
        return len(facts.search.refusals), facts.absent_creates, facts.search.host_failures
    return () if facts.launch.intended else (facts.search.host_failures, facts.may_try_next)


def _asked(facts: Facts) -> str | None:
    """What was asked, by what it does here. In release, `release_how` holds what became of it."""
    request = facts.request
    if facts.state is State.RELEASE:
        if facts.is_session and facts.request in policy.WITH_WISH and facts.process.asked.how == "preserve":
            return "keep"
        if facts.is_session:
            return None if facts.person_may_return or not facts.is_attended else "renounced"
        return "renounced" if request in ("cancel", "release") and facts.progress.parked_epoch >= 0 else None
    if request in (None, "gc", "release"):
        return request
    if facts.is_session:
        return f"{request} {facts.process.asked.how}"
    return "detach" if facts.state is not State.COLLECT and policy.answer(facts) == "detach" else "end"


def _failures(facts: Facts, op: Op, most: int) -> int:
    """Those that count against the operation itself; of those of the way only that there are some. What explains a try
    in doubt does not say of which kind the failures before it are."""
    tries = facts.tried(op)
    return -1 if tries.failures and tries.is_way else min(tries.failures, most)


def _of_this_process(facts: Facts) -> tuple[object, ...]:
    """What only the living engine knows."""
    if facts.state is State.RELEASE:
        return (
            _asked(facts),
            facts.release.proof.is_complete,
            min(facts.release.proof.surveys, CLEAN_SURVEYS_MIN),
            bool(facts.release.proof.found),
            facts.release.key_refused_since is None,
        )
    failed = any(tries.failures for tries in facts.contact.tries.values())
    tries = tuple(_failures(facts, op, most) for op, most in PATIENCE.items()) if failed else ()
    misses = min(facts.pod.missed.looks, MISSES_MIN) if facts.pod is not None else 0
    offline = facts.state in (*BEFORE_LAUNCH, *BEFORE_ATTENDING) and is_offline(
        facts
    )  # nothing else counts as failed meanwhile
    return _asked(facts), tries, failed, offline, misses, facts.launch.claim_is_fresh
