"""Facts of a run in the middle of its life, without the life before: what one state decides, in microseconds."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.engine.decision import Pending
from rpd.journal.records import Body, DebtChange, Observation, Outcome, Record, Requested, Stamp, Transition
from rpd.states.facts import Facts, new_facts
from rpd.states.facts.pod import Candidate, Origin, PodFacts, Span
from rpd.states.facts.tries import Tries
from rpd.states.fold import apply
from rpd.states.ports.names import State
from rpd.states.ports.world import Armed, Claim, Greeting, Pod
from tests.fakes.clock import START_WALL
from tests.fakes.stage import RUN_ID, Stage

RATE = 1.0
"""USD per hour of the pod in hand, without its disks."""


def stamp(seconds: float, boot: str = "boot-1") -> Stamp:
    """So many seconds after the run began."""
    return Stamp(START_WALL + seconds, 1000.0 + seconds, boot)


def facts_in(state: State, *, at: float = 100.0, **config: Any) -> Facts:
    """A pod computes since second 0, is greeted, its switch armed and itself prepared; the run is in `state` since
    `at`."""
    facts = new_facts(Stage(**config)._opened(), RUN_ID)
    facts.progress.started = facts.process.since = stamp(0.0)
    facts.state, facts.progress.entered, facts.process.epoch, facts.progress.seq = state, stamp(at), 1, 7
    origin = Origin(1, Candidate("RTX A5000", "EU-RO-1", "SECURE"), stamp(0.0), stamp(0.0))
    pod = PodFacts(f"{facts.name_prefix}1", origin, RATE)
    pod.id, pod.started_at, pod.starts, pod.was_found = "pod1", stamp(0.0), 1, True
    pod.seen = Pod("pod1", pod.name, "RUNNING", usd_per_hour=RATE)
    pod.container.greeting = Greeting("SHA256:k", "pod1", "c1", 0.0)
    pod.spans = [Span(stamp(0.0), RATE)]
    facts.pods, facts.current = {pod.name: pod}, pod.name
    facts.debts.compute = {pod.name: DebtChange(pod.name, "compute", "open", RATE)}
    facts.container.armed, facts.container.armed_start = Armed(1, START_WALL + 36_000.0, "ok", True), 1
    facts.launch.prepared, facts.launch.prepared_epoch = (pod.name, pod.container_name), 1
    return facts


def claimed(facts: Facts, phase: str, **more: Any) -> Facts:
    """The launch was sent, and its claim read just now."""
    facts.launch.intended, facts.launch.claim_is_fresh = True, True
    facts.launch.claim = Claim(phase, facts.launch.number, **more)
    return facts


def asked(facts: Facts, what: str, **detail: Any) -> Facts:
    """Somebody asked for it in this epoch."""
    fold(facts, Requested(what, "test", detail))
    return facts


def fold(facts: Facts, body: Body, at: float = 200.0) -> None:
    """One more record."""
    z = f"{facts.progress.seq + 1:04d}"
    apply(facts, Record(facts.progress.seq + 1, facts.process.epoch, RUN_ID, stamp(at), "", "", "", True, "", z, body))


def outcome(facts: Facts, op: str, status: Any = "ok", *, at: float = 200.0, **more: Any) -> None:
    """What an effect returned."""
    fold(facts, Outcome("1", op, status, **more), at)


def seen(
    facts: Facts, op: str, *, at: float = 200.0, error: str | None = None, reason: str | None = None, **data: Any
) -> None:
    """What a look saw."""
    plain = {name: msgspec.to_builtins(value) for name, value in data.items()}
    fold(facts, Observation(op, plain, error, reason), at)


def tried(facts: Facts, op: str, at: Stamp, failures: int = 0) -> None:
    """It last came back then, after so many failures in a row; without one it brought what was wanted."""
    facts.contact.tries[op] = Tries(at, failures, at, "it failed", "unreadable") if failures else Tries(at)


def moved(facts: Facts, trigger: str, dest: State, *, at: float = 200.0, reason: str | None = None) -> None:
    """A move of the table."""
    fold(facts, Transition(trigger, str(facts.state), str(dest), reason), at)


def pending(op: str, **args: Any) -> Pending:
    """An operation as the runner hands it on."""
    return Pending("1", op, "monitor", {name: msgspec.to_builtins(each) for name, each in args.items()}, 1, stamp(0.0))
