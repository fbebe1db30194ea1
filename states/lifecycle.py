"""The job's lifecycle put together: one handler per state, and the operations every state shares."""

from __future__ import annotations

from types import ModuleType

from rpd.engine.deadline import backoff
from rpd.engine.decision import Pending, Result
from rpd.engine.lifecycle import Handler, Lifecycle
from rpd.states import (
    arm,
    boot,
    checkpoints,
    collect,
    connect,
    create,
    done,
    launch,
    lease,
    monitor,
    notice,
    preflight,
    reading,
    reclaim,
    release,
    report,
    secret_files,
    select,
    setup,
    stage,
    sweep,
    validate,
)
from rpd.states.facts import Facts, new_facts
from rpd.states.fold import apply
from rpd.states.interrupts import interrupts
from rpd.states.ports.names import Op, State
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

WORDS: dict[str, str] = {
    Op.CHECK_INPUTS: "checking the inputs",
    Op.FIND_PAUSED: "looking for a paused pod",
    Op.TAKE_OVER: "taking over a paused pod",
    Op.READ_OFFERS: "reading prices and stock",
    Op.READ_PLACES: "reading the data centers",
    Op.FIND_VOLUME: "looking up the network volume",
    Op.CREATE_POD: "renting a pod",
    Op.READ_POD: "reading the pod",
    Op.READ_SYSTEM_LOG: "reading the provider's log",
    Op.START_POD: "starting the pod",
    Op.GREET: "greeting sshd",
    Op.ARM_SWITCH: "arming the dead-man's switch",
    Op.RUN_STEP: "running",
    Op.PLACE_SECRETS: "placing the secrets",
    Op.REMOVE_SECRETS: "removing the secrets",
    Op.TAKE_LEASE: "taking its places on the network volume",
    Op.READ_HOLDERS: "looking whether another run is alive",
    Op.DROP_LEASE: "leaving its places on the network volume",
    Op.PUSH_TREE: "sending",
    Op.LAUNCH_JOB: "starting the job",
    Op.READ_SAMPLES: "reading the samples",
    Op.READ_CLAIM: "asking the pod about the job",
    Op.WATCH_JOB: "the job runs",
    Op.STOP_JOB: "stopping the job",
    Op.FETCH_LOG: "fetching the log",
    Op.READ_LOG: "looking through the log",
    Op.PULL_CHECKPOINT: "fetching a checkpoint",
    Op.PULL_ARTIFACT: "fetching",
    Op.STOP_POD: "stopping the pod",
    Op.DELETE_POD: "deleting the pod",
    Op.SURVEY: "looking over the account",
    Op.WRITE_MANIFEST: "writing the manifest",
    Op.NOTIFY: "telling somebody",
}


def awaits(pending: Pending) -> str:
    """What an operation is, for the status line."""
    if pending.args.get("is_background"):
        return "the script has ended; waiting for what it left in the background"
    words = WORDS.get(pending.op, pending.op)
    for name in ("step", "tree", "pull"):
        if name in pending.args:
            return f"{words} {pending.args[name]['label']}"
    return words


SHARED: dict[str, ModuleType] = {
    **dict.fromkeys(sweep.OPERATIONS, sweep),
    Op.READ_SYSTEM_LOG: boot,
    **dict.fromkeys(arm.OPERATIONS, arm),
    **dict.fromkeys(notice.OPERATIONS, notice),
    **dict.fromkeys(lease.OPERATIONS, lease),
    **dict.fromkeys(secret_files.OPERATIONS, secret_files),
    **dict.fromkeys(checkpoints.OPERATIONS, checkpoints),
    **dict.fromkeys(reading.OPERATIONS, reading),
}
"""Operations that more than one state has, and whose file does them."""


def _handler(state: State, file: ModuleType) -> Handler[Facts, World]:
    def perform(pending: Pending, world: World) -> Result:
        result: Result = SHARED.get(pending.op, file).perform(pending, world)
        return result

    def probe(pending: Pending, world: World) -> Result | None:
        result: Result | None = SHARED.get(pending.op, file).probe(pending, world)
        return result

    return Handler(file.decide, perform, probe)


def _probe_pause(facts: Facts, tries: int) -> float:
    return backoff(tries, first=min(0.25, facts.profile.poll_seconds), cap=max(facts.profile.poll_seconds, 1.0))


JOB_LIFECYCLE: Lifecycle[Facts, World] = Lifecycle(
    table=JOB,
    handlers={state: _handler(state, file) for state, file in FILES.items()},
    new_facts=new_facts,
    apply=apply,
    interrupts=interrupts,  # type: ignore[arg-type]  # the table's own enum
    probe_pause=_probe_pause,
    awaits=awaits,
)
"""The life of `rpd run`."""
