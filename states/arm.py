"""arm: rpd gives the dead-man's switch in the pod its orders. The switch must show that it could act."""

from __future__ import annotations

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Do, Fire
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.operations.container import ArmSwitch
from rpd.states.policy.outage import PATIENCE_SECONDS, TO_POD, is_of_the_way, is_offline
from rpd.states.policy.rules import is_protected, limit_at, watched_launch
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import STAYS_LONG, Op, State, Trigger
from rpd.states.ports.world import SwitchOrder
from rpd.states.shared.link import decide_link

TRIES_MAX = 3
AGAIN_SECONDS = 60.0
"""The pause between two tries to order a switch that the first orders did not reach, while the run goes on."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """Arm once for each start of the pod and once for each launch. If the switch cannot prove that it works, rpd
    records that, and the run goes on unprotected. A switch that was not reached has refused nothing.
    """
    pod = facts.pod
    assert pod is not None, "arm needs a pod"
    if facts.container.armed_start == pod.starts and facts.container.armed is not None:
        if is_protected(facts):
            return Fire(Trigger.SWITCH_ARMED)
        return Fire(Trigger.SWITCH_REFUSED, why=f"not protected: {facts.container.armed.probe}")
    if _is_given_up(facts, now):
        return Fire(Trigger.SWITCH_REFUSED, why=f"not protected: {facts.tried(Op.ARM_SWITCH).error}")
    return decide_link(facts, now, _order(facts, now))


def decide_again(state: State, facts: Facts, now: Stamp) -> Decision | None:
    """The run went on without its switch, because the orders did not reach it. Send them again when the pod can be
    reached.
    """
    pod, tries = facts.pod, facts.tried(Op.ARM_SWITCH)
    if (
        state not in STAYS_LONG
        or pod is None
        or not facts.container.may_arm_again
        or facts.container.armed_start == pod.starts
    ):
        return None
    is_cut = facts.contact.outage is not None or any(facts.tried(op).failures for op in TO_POD - {Op.ARM_SWITCH})
    last = tries.at or facts.progress.entered or now
    if is_cut or facts.request is not None or elapsed(last, now) < AGAIN_SECONDS:
        return None
    return _order(facts, now)


def _is_given_up(facts: Facts, now: Stamp) -> bool:
    """The switch has failed for good. Or a pod in which a job may run has been silent for long: then the state of the
    job matters more.
    """
    tries = facts.tried(Op.ARM_SWITCH)
    if tries.since is None or is_offline(facts) or tries.reason == Fault.HOST_KEY_CHANGED:
        return False
    if is_of_the_way(Op.ARM_SWITCH, tries.reason):
        return facts.launch.intended and elapsed(tries.since, now) > PATIENCE_SECONDS
    return tries.failures >= TRIES_MAX


def _order(facts: Facts, now: Stamp) -> Do:
    pod = facts.pod
    assert pod is not None, "arm needs a pod"
    order = SwitchOrder(
        generation=facts.process.epoch * 1000 + pod.starts + facts.launch.number - 1,
        limit_at=limit_at(facts, now),
        action="stop",
        owner_silence_seconds=facts.profile.owner_silence_seconds,
        launch=watched_launch(facts),
    )
    return Do(ArmSwitch(target(facts), order))
