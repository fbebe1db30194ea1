"""The life of a run from top to bottom; failure branches stand right under the success branch. The diagram in the
documentation, `rpd inspect --graph` and the checks are made from this list.

A run passes a state that it does not need at once (as `reclaim` does). A rule with a guard skips a state only where the
guard decides between two ways of life.
"""

from __future__ import annotations

from rpd.engine.rule import Group, Interrupt, Rule, Table
from rpd.states.policy.guards import (
    attempts_left,
    job_was_launched,
    nothing_owed,
    release_is_proved,
    results_wait,
    retries_left,
)
from rpd.states.ports.names import BEFORE_LAUNCH, WITH_JOB, State, Trigger

S, T = State, Trigger

TO_THE_POD: tuple[Rule, ...] = (
    Rule(T.CANDIDATE_CHOSEN, S.SELECT, S.CREATE, "a GPU type and data center within the cap"),
    Rule(T.NO_CANDIDATE, S.SELECT, S.RELEASE, "no candidate is left; prove that no try created a pod"),
    Rule(T.POD_CREATED, S.CREATE, S.BOOT, "the pod's id is known"),
    Rule(T.CREATE_REFUSED, S.CREATE, S.SELECT, "this candidate was refused; the next one"),
    Rule(T.CREATE_FAILED, S.CREATE, S.RELEASE, "no candidate can help"),
    Rule(T.ADDRESS_KNOWN, S.BOOT, S.CONNECT, "the container runs and port 22 is mapped"),
    Rule(
        T.HOST_FAILED,
        S.BOOT,
        S.RELEASE,
        "not up in time, or billed above the cap; give the host back",
    ),
    Rule(T.SSH_ANSWERED, S.CONNECT, S.ARM, "sshd answered, the pod is this run's, and its GPUs are there"),
    Rule(
        T.HOST_FAILED,
        S.CONNECT,
        S.RELEASE,
        "sshd did not answer in time or keeps us out, or the hardware is not what was ordered",
    ),
    Rule(T.POD_STOPPED, S.CONNECT, S.BOOT, "somebody stopped the pod; start it"),
)
"""From the choice of a host to its sshd: the same for every lifecycle that rents a pod."""

TRY_NEXT = Rule(
    T.TRY_NEXT,
    S.RELEASE,
    S.SELECT,
    "the failed host is given back; a fresh pod",
    when=(attempts_left, release_is_proved),
)
"""The same for every lifecycle that rents a pod."""

LIFE: tuple[Rule, ...] = (
    Rule(T.SPEC_ACCEPTED, S.VALIDATE, S.RECLAIM, "the inputs are all there"),
    Rule(T.SPEC_REFUSED, S.VALIDATE, S.REPORT, "an input is missing; nothing was rented"),
    Rule(T.POD_TAKEN, S.RECLAIM, S.BOOT, "a paused pod of this lineage was handed over to this run; start it"),
    Rule(T.NOTHING_PAUSED, S.RECLAIM, S.SELECT, "this lineage has no paused pod to reuse"),
    *TO_THE_POD,
    Rule(
        T.SWITCH_ARMED,
        S.ARM,
        S.LAUNCH,
        "armed again after a restart; what became of the job?",
        when=(job_was_launched,),
    ),
    Rule(T.SWITCH_ARMED, S.ARM, S.SETUP, "the pod can release itself"),
    Rule(T.SWITCH_REFUSED, S.ARM, S.LAUNCH, "not protected; what became of the job?", when=(job_was_launched,)),
    Rule(T.SWITCH_REFUSED, S.ARM, S.SETUP, "the pod cannot release itself; every status line says so"),
    Rule(T.POD_STOPPED, S.ARM, S.BOOT, "the pod was stopped, or its container is a new one; begin again"),
    Rule(T.STEPS_DONE, S.SETUP, S.STAGE, "every setup command exited 0"),
    Rule(T.STEP_FAILED, S.SETUP, S.RELEASE, "a setup command failed"),
    Rule(T.HOST_FAILED, S.SETUP, S.RELEASE, "a command that judges the host failed; give it back"),
    Rule(T.POD_STOPPED, S.SETUP, S.BOOT, "somebody stopped the pod; start it and begin again"),
    Rule(T.STEPS_DONE, S.STAGE, S.PREFLIGHT, "every tree is in the pod, verified"),
    Rule(T.UNPREPARED, S.STAGE, S.SETUP, "another process took over; repeatable commands are run again"),
    Rule(T.STEP_FAILED, S.STAGE, S.RELEASE, "a tree could not be sent"),
    Rule(T.POD_STOPPED, S.STAGE, S.BOOT, "somebody stopped the pod; start it and begin again"),
    Rule(T.STEPS_DONE, S.PREFLIGHT, S.LAUNCH, "every preflight command exited 0"),
    Rule(T.UNPREPARED, S.PREFLIGHT, S.SETUP, "another process took over; repeatable commands are run again"),
    Rule(T.STEP_FAILED, S.PREFLIGHT, S.RELEASE, "a preflight command failed"),
    Rule(T.HOST_FAILED, S.PREFLIGHT, S.RELEASE, "a command that judges the host failed; give it back"),
    Rule(T.POD_STOPPED, S.PREFLIGHT, S.BOOT, "somebody stopped the pod; start it and begin again"),
    Rule(T.JOB_STARTED, S.LAUNCH, S.MONITOR, "the claim is ours and the script runs"),
    Rule(
        T.UNPREPARED, S.LAUNCH, S.SETUP, "the script never ran, and container or process is a new one; prepare it again"
    ),
    Rule(T.JOB_ENDED, S.LAUNCH, S.COLLECT, "the claim folder holds an exit code already"),
    Rule(T.JOB_LOST, S.LAUNCH, S.COLLECT, "started, no process left, no exit code"),
    Rule(T.RELAUNCH, S.LAUNCH, S.ARM, "lost, and retries are left; launch n+1 in this pod", when=(retries_left,)),
    Rule(T.LAUNCH_FAILED, S.LAUNCH, S.RELEASE, "the pod cannot start the script"),
    Rule(T.POD_STOPPED, S.LAUNCH, S.BOOT, "somebody stopped the pod; start it and read the claim folder"),
    Rule(T.JOB_ENDED, S.MONITOR, S.COLLECT, "the exit code is in the claim folder"),
    Rule(T.JOB_LOST, S.MONITOR, S.COLLECT, "no process left, no exit code"),
    Rule(T.RELAUNCH, S.MONITOR, S.ARM, "lost, and retries are left; launch n+1 in this pod", when=(retries_left,)),
    Rule(T.POD_STOPPED, S.MONITOR, S.BOOT, "somebody stopped the pod; start it and read the claim folder"),
    Rule(T.COLLECTED, S.COLLECT, S.RELEASE, "log and artifacts are here, sizes and hashes verified"),
    Rule(T.COLLECT_FAILED, S.COLLECT, S.RELEASE, "a required artifact is not here"),
    Rule(T.POD_STOPPED, S.COLLECT, S.BOOT, "the results are in a stopped pod; start it to fetch them"),
    TRY_NEXT,
    Rule(
        T.RELAUNCH,
        S.RELEASE,
        S.SELECT,
        "the pod was lost, and retries are left; launch n+1 in a fresh one",
        when=(retries_left, release_is_proved),
    ),
    Rule(
        T.PARKED,
        S.RELEASE,
        S.COLLECT,
        "stopped with results to collect; resume fetches them",
        when=(results_wait, release_is_proved),
    ),
    Rule(T.RELEASED, S.RELEASE, S.REPORT, "proved: no pod is running any more", when=(release_is_proved,)),
    Rule(T.REPORTED, S.REPORT, S.DONE, "the manifest is written", when=(nothing_owed,)),
)


def interrupts_of(holds: Group, early: Group, busy: Group | None = None) -> tuple[Interrupt, ...]:
    """What can end every state that may hold a pod. `busy` are those of its states in which work must be collected
    first. In the `early` ones nothing is lost by giving up.
    """
    idle = holds
    if busy is not None:
        rest = tuple(state for state in holds.states if state not in busy.states)
        idle = Group("any state that may hold a pod and no running job", rest)
    ends = (
        (T.CANCEL, "somebody asked for the end"),
        (T.OUT_OF_TIME, "the time budget is used up"),
        (T.OUT_OF_MONEY, "the money budget is used up"),
    )
    ways = ((idle, S.RELEASE), (busy, S.COLLECT))
    lost = "neither cloud nor pod could be reached for too long, or not the pod; nothing was launched"
    return (
        Interrupt(T.POD_GONE, holds, S.RELEASE, "the pod is not there any more; prove it"),
        *(Interrupt(end, group, dest, why) for end, why in ends for group, dest in ways if group is not None),
        Interrupt(T.OUT_OF_REACH, early, S.RELEASE, lost),
    )


HOLDS_POD = Group("any state that may hold a pod", (*BEFORE_LAUNCH, *WITH_JOB, S.COLLECT))
JOB_MAY_RUN = Group("any state with a job that may run", WITH_JOB)
NOTHING_LAUNCHED = Group("any state before the launch", BEFORE_LAUNCH)
INTERRUPTS = interrupts_of(HOLDS_POD, NOTHING_LAUNCHED, JOB_MAY_RUN)

JOB = Table("job", State, Trigger, State.VALIDATE, frozenset({State.DONE}), LIFE, INTERRUPTS)
