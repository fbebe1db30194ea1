"""Facts of a run in the middle of its life, without the life before: what one state decides, in microseconds."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.engine.decision import Decision, Do, Look
from rpd.engine.operation import Result
from rpd.journal.records import Body, DebtChange, Intent, Observation, Outcome, Record, Requested, Stamp, Transition
from rpd.states.facts import Facts, new_facts
from rpd.states.facts.pod import Candidate, Origin, PodFacts, Span
from rpd.states.facts.run import Begun
from rpd.states.facts.tries import Tries
from rpd.states.fold import apply
from rpd.states.operations import EFFECTS
from rpd.states.ports.names import Op, State
from rpd.states.ports.world import (
    Armed,
    Claim,
    Greeting,
    JobRef,
    LaunchOrder,
    Paused,
    Pod,
    Step,
    SwitchOrder,
    Target,
    Tree,
)
from tests.fakes.clock import START_WALL
from tests.fakes.driven import RUN_ID
from tests.fakes.fake_world import FakeWorld

_TARGET = msgspec.to_builtins(Target("pod1", "n", RUN_ID, 1, "/run"))
_JOB = msgspec.to_builtins(JobRef(1, "/log"))
_PULL = {"label": "model", "remote_path": "/workspace/model", "local_path": "/here/model", "required": True}
_PAUSED = msgspec.to_builtins(Paused("/j", "old", "old", "pod0", "rpd-old-1", "RTX A5000", "SECURE", 0.5, {}))
OPID = "1"
EXAMPLES: dict[str, dict[str, Any]] = {
    Op.TAKE_OVER: {"paused": _PAUSED, "is_unwanted": False, "drift": []},
    Op.START_POD: {"pod_id": "pod1"},
    Op.STOP_POD: {"pod_id": "pod1"},
    Op.DELETE_POD: {"pod_id": "pod1"},
    Op.ARM_SWITCH: {"target": _TARGET, "order": msgspec.to_builtins(SwitchOrder(1, START_WALL, "stop", 60.0, 1))},
    Op.RUN_STEP: {"target": _TARGET, "step": msgspec.to_builtins(Step("k", "step", "true", 60.0))},
    Op.PLACE_SECRETS: {"target": _TARGET, "secrets": []},
    Op.REMOVE_SECRETS: {"target": _TARGET, "secrets": []},
    Op.TAKE_LEASE: {"target": _TARGET, "places": [], "gone": [], "key": "k"},
    Op.DROP_LEASE: {"target": _TARGET},
    Op.PUSH_TREE: {"target": _TARGET, "tree": msgspec.to_builtins(Tree("t", "/here", "/there")), "key": "k"},
    Op.LAUNCH_JOB: {"target": _TARGET, "order": msgspec.to_builtins(LaunchOrder(1, "x", "/run.sh", "/log", {}, 0, ""))},
    Op.STOP_JOB: {"target": _TARGET, "job": _JOB, "grace_seconds": 10.0},
    Op.FETCH_LOG: {"target": _TARGET, "job": _JOB, "log_file": "/l"},
    Op.PULL_CHECKPOINT: {"target": _TARGET, "path": "/workspace/ck", "pull": _PULL},
    Op.PULL_ARTIFACT: {"target": _TARGET, "pull": _PULL},
    Op.WRITE_MANIFEST: {"run_dir": "/r", "at": msgspec.to_builtins(Stamp(0.0, 0.0, "")), "checksum": "c"},
}
"""Effects that may have been begun, by their arguments."""
RATE = 1.0
"""USD per hour of the pod in hand, without its disks."""


def stamp(seconds: float, boot: str = "boot-1") -> Stamp:
    """So many seconds after the run began."""
    return Stamp(START_WALL + seconds, 1000.0 + seconds, boot)


def facts_in(state: State, *, at: float = 100.0, **config: Any) -> Facts:
    """A pod computes since second 0, is greeted, its switch armed and itself prepared; the run is in `state` since
    `at`."""
    facts = new_facts(FakeWorld(**config).opened, RUN_ID)
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


def begun(facts: Facts, op: str, *, at: float = 200.0, **args: Any) -> None:
    """An effect is about to be caused."""
    fold(facts, Intent(OPID, op, str(facts.state), {**EXAMPLES[op], **args}), at)


def outcome(facts: Facts, op: str, status: Any = "ok", *, at: float = 200.0, **more: Any) -> None:
    """What an effect returned. Where none was begun, one that may have been."""
    known = facts.progress.begun.get(OPID)
    known = known if known is not None and known.effect.name == op else None
    args = EXAMPLES[op] if known is None else msgspec.to_builtins(known.effect)
    effect = msgspec.convert({**args, **more.get("data", {})}, EFFECTS[op])
    facts.progress.begun[OPID] = Begun(effect, stamp(at) if known is None else known.at)
    if status == "ok" and "pod_id" in args:
        more.setdefault("data", {"pod_id": args["pod_id"]})
    fold(facts, Outcome(OPID, op, status, **more), at)


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


def args_of(decision: Decision | None) -> dict[str, Any]:
    """The arguments of what is decided, as a record has them."""
    assert isinstance(decision, Do | Look), decision
    args: dict[str, Any] = msgspec.to_builtins(decision.operation)
    return args


def data_of(result: Result | None) -> dict[str, Any]:
    """What a record tells of a result."""
    assert result is not None
    answer = {} if result.answer is None else msgspec.to_builtins(result.answer)
    return {**answer, **result.detail}
