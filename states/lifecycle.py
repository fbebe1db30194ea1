"""The complete lifecycle of the job: its table, the decisions of each state, and its operations."""

from __future__ import annotations

from types import ModuleType

from rpd.engine.deadline import backoff
from rpd.engine.lifecycle import Lifecycle
from rpd.states import (
    arm,
    boot,
    collect,
    connect,
    create,
    done,
    launch,
    monitor,
    preflight,
    reclaim,
    release,
    report,
    select,
    setup,
    stage,
    validate,
)
from rpd.states.facts import Facts, new_facts
from rpd.states.fold import apply
from rpd.states.interrupts import interrupts
from rpd.states.operations import EFFECTS, READINGS
from rpd.states.ports.names import State
from rpd.states.ports.world import World
from rpd.states.table import JOB

FILES: dict[State, ModuleType] = {
    State.VALIDATE: validate,
    State.RECLAIM: reclaim,
    State.SELECT: select,
    State.CREATE: create,
    State.BOOT: boot,
    State.CONNECT: connect,
    State.ARM: arm,
    State.SETUP: setup,
    State.STAGE: stage,
    State.PREFLIGHT: preflight,
    State.LAUNCH: launch,
    State.MONITOR: monitor,
    State.COLLECT: collect,
    State.RELEASE: release,
    State.REPORT: report,
    State.DONE: done,
}
"""One file per state."""


def _probe_pause(facts: Facts, tries: int) -> float:
    return backoff(tries, first=min(0.25, facts.profile.poll_seconds), cap=max(facts.profile.poll_seconds, 1.0))


JOB_LIFECYCLE: Lifecycle[Facts, World] = Lifecycle(
    table=JOB,
    decide={state: file.decide for state, file in FILES.items()},
    effects=EFFECTS,
    readings=READINGS,
    new_facts=new_facts,
    apply=apply,
    interrupts=interrupts,  # type: ignore[arg-type]  # the table's own enum
    probe_pause=_probe_pause,
)
"""The life of `rpd run`."""
