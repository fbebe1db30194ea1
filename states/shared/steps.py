"""Run commands over SSH in order, for setup and preflight."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from rpd.engine.decision import Decision, Do, Fire
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.operations.container import RunStep
from rpd.states.policy.health import CUDA_CHECK, HEALTH_KEY, HEALTH_SECONDS
from rpd.states.policy.outage import is_of_the_way, is_offline
from rpd.states.policy.python_pin import PYTHON_KEY, PYTHON_SECONDS, exports
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import ENV_SECRET, Command, Job
from rpd.states.ports.log_reading import read_text
from rpd.states.ports.names import Reason, Trigger
from rpd.states.ports.world import Step
from rpd.states.shared.link import decide_link

FAILURES_MAX = 5
"""The tries of one step before the phase fails."""
TIMED_OUT = 124
"""The exit code of a step that was ended because its time was up. Some tools use it, too."""
LAST_LINES = 3
"""So many lines stand for the rest if no line says by itself what failed."""
FATAL = frozenset(
    {Fault.PATH_REFUSED, Fault.DISK_FULL, Fault.NO_TOOL, Fault.WRONG_POD, Fault.AUTH_REFUSED, Fault.SECRET_MISSING}
    | {Fault.RECORD_REFUSED, Fault.READ_ONLY}
)
"""Faults that another try does not repair."""


def decide_steps(facts: Facts, now: Stamp, steps: Iterable[Step], reason: Reason) -> Decision:
    """Run the first step that has not exited with 0. Stop at the first step that exited with another code."""
    for step in steps:
        exit_code = facts.container.steps_done.get(step.done_key)
        if exit_code == 0:
            continue
        if exit_code is not None and step.blames_host and not facts.has_launched_here:
            text = _how_it_failed(step, exit_code, facts.container.step_tail[-3:])
            return Fire(Trigger.HOST_FAILED, Reason.HOST_UNFIT, text)
        if exit_code is not None:
            return Fire(Trigger.STEP_FAILED, reason, _how_it_failed(step, exit_code, facts.container.step_tail))
        return pause_or(facts, now, Do(RunStep(target(facts), step)), reason)
    return Fire(Trigger.STEPS_DONE)


def _how_it_failed(step: Step, exit_code: int, tail: tuple[str, ...]) -> str:
    late = f", as after its timeout_sec of {step.timeout_seconds:g}" if exit_code == TIMED_OUT else ""
    cause = read_text("\n".join(tail)).cause
    last_words = f": {cause.line if cause is not None else ' / '.join(tail[-LAST_LINES:])}" if tail else ""
    return f"{step.label} exited with {exit_code}{late}{last_words}"


def pause_or(facts: Facts, now: Stamp, do: Do, reason: Reason) -> Decision:
    """The effect, after a pause if it just failed; the end of the phase if it fails for good.

    If no call gets through, the effect has not failed. All effects share the same patience for that
    (`rpd.states.policy.outage`).
    """
    tries = facts.tried(do.op)
    is_its_own = tries.failures > 0 and not is_of_the_way(do.op, tries.reason) and not is_offline(facts)
    is_understood = tries.reason == Fault.HOST_KEY_CHANGED  # the cloud's answer about the pod explains it
    if is_its_own and not is_understood and (tries.failures >= FAILURES_MAX or tries.reason in FATAL):
        return Fire(Trigger.STEP_FAILED, reason, tries.error)
    return decide_link(facts, now, do)


def steps_of(facts: Facts, phase: str, commands: tuple[Command, ...]) -> Iterator[Step]:
    """The commands of a phase as steps in the current container."""
    for index, command in enumerate(commands):
        yield _step(facts, phase, index, command)


def owes_setup(facts: Facts) -> bool:
    """A process that took over after setup must run the repeatable commands again before it goes on."""
    steps = steps_of(facts, "setup", facts.job.setup)
    return any(step.round and facts.container.steps_done.get(step.done_key) is None for step in steps)


def _step(facts: Facts, phase: str, index: int, command: Command) -> Step:
    env = exports(facts.job) if command.with_env else {}
    text = command.command
    sources = _sources(facts.job, phase) if command.with_env else ()
    if sources:
        text = "\n".join([*(f". {path}" for path in sources), text])
    key = f"{phase}-{index + 1}-{_digest(facts, text, env)}"
    rounds = facts.process.epoch if command.repeatable else 0
    blames_host = command.on_failure == "next_host"
    label = f"{phase} command {index + 1}"
    return Step(key, label, text, command.timeout_sec, env, round=rounds, blames_host=blames_host)


def health_step(facts: Facts) -> Iterator[Step]:
    """The step that checks whether the GPUs work, if the job wants this before anything else."""
    if facts.job.provision.health is None:
        return
    env = {"RPD_GPU_COUNT": str(facts.job.pod.gpu_count)}
    key = f"{HEALTH_KEY}{_digest(facts, CUDA_CHECK, env)}"
    yield Step(key, "provision.health: cuda", CUDA_CHECK, HEALTH_SECONDS, env, blames_host=True)


def _sources(job: Job, phase: str) -> Iterable[str]:
    """Files that are sourced first. The file of `env` is placed after setup, so setup does not source it. rpd does not
    know what is in the other files; only the user knows.
    """
    late = [each.destination for each in job.secrets if each.name == ENV_SECRET] if phase == "setup" else []
    return [path for path in job.remote_env.source_files if path not in late]


def python_step(facts: Facts) -> Iterator[Step]:
    """The step that installs the interpreter of the job, if the job names one. Nothing is sourced for it, because a
    later step may create such a file.
    """
    version = facts.job.pod.python_version
    if version is None:
        return
    project = facts.job.staging[0].destination if facts.job.staging else ""
    env = exports(facts.job)
    key = f"{PYTHON_KEY}{_digest(facts, f'{version}{chr(0)}{project}', env)}"
    command = f"uv python install {version}"
    yield Step(key, f"pod.python_version {version}", command, PYTHON_SECONDS, env, version, project)


def _digest(facts: Facts, text: str, env: dict[str, str]) -> str:
    """A new container has an empty disk, so earlier steps are repeated."""
    container = facts.pod.container_name if facts.pod is not None else ""
    return hashlib.sha256(f"{text}\0{sorted(env.items())}\0{container}".encode()).hexdigest()[:16]
