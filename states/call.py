"""How a decision's arguments reach an operation: plain data in the journal, structs on both sides."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from rpd.engine.deadline import backoff, remaining
from rpd.engine.decision import Pending, Result
from rpd.engine.errors import Refused, RpdError
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.ports.names import Op
from rpd.states.ports.world import JobRef, Pod, Target, World

T = TypeVar("T")
REPEATABLE = "repeatable"
"""Reason of an outcome that only says: it may simply be done again."""


def pack(**values: Any) -> dict[str, Any]:
    """Structs and plain values as the plain data of a record."""
    return {name: msgspec.to_builtins(value) for name, value in values.items()}


def unpack(pending: Pending, name: str, kind: type[T]) -> T:
    """One argument as the struct it was."""
    return msgspec.convert(pending.args[name], kind)


def target(facts: Facts) -> Target:
    """The pod in hand as the remote port wants it, with the host key pinned for this start."""
    pod = facts.pod
    assert pod is not None and pod.id is not None, "a remote call needs a pod"
    pinned = pod.container.greeting.host_key if pod.container.greeting is not None else None
    return Target(pod.id, pod.name, facts.run_id, facts.process.epoch, facts.folder, pinned, facts.process.owner)


def job_ref(facts: Facts) -> JobRef:
    """The launch in hand."""
    run = facts.job.run
    return JobRef(facts.launch.number, facts.log_path, run.success_marker, run.failure_markers or ())


def pod_data(pod: Pod | None) -> dict[str, Any]:
    """A pod as journal data; its environment stays out, for it may hold what the user put there."""
    return {"pod": None if pod is None else msgspec.to_builtins(msgspec.structs.replace(pod, env={}))}


def look_at_pod(facts: Facts) -> dict[str, Any]:
    """The arguments of operations on the pod in hand that need nothing but its id; `unowed` is its name when no compute
    debt is open for it, `locked` that it is known to be."""
    pod = facts.pod
    assert pod is not None, "there is a pod"
    unowed = {} if pod.name in facts.debts.compute else {"unowed": pod.name}
    return {"pod_id": pod.id, **unowed, **({"locked": True} if pod.seen is not None and pod.seen.is_locked else {})}


def pause_left(facts: Facts, op: Op, now: Stamp, *, first: float, cap: float) -> float:
    """Seconds until a failed operation may be tried again, doubling from `first` to `cap`; 0.0 when it did not fail."""
    tries = facts.tried(op)
    if not tries.failures or tries.at is None:
        return 0.0
    return remaining(tries.at, backoff(tries.failures, first=first, cap=cap), now)


def repeatable(pending: Pending, world: World) -> Result:
    """The probe of an operation that may simply be done again: nothing is known, nothing is lost."""
    return Result(status="failed", reason=REPEATABLE, error="cut off; it is done again", retryable=True)


def unknown_operation(pending: Pending) -> RpdError:
    """A journal names an operation that this state does not have."""
    return Refused(f"state {pending.state} has no operation {pending.op!r}", reason="unknown_operation")
