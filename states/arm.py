"""arm: the dead-man's switch in the pod gets its orders, and has to show that it could act."""

from __future__ import annotations

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Do, Fire
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.operations.container import ArmSwitch
from rpd.states.policy.outage import PATIENCE_SECONDS, TO_POD, is_of_the_way, is_offline
from rpd.states.policy.rules import is_protected, limit_at
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import STAYS_LONG, Op, State, Trigger
from rpd.states.ports.world import SwitchOrder
from rpd.states.shared.link import decide_link

TRIES_MAX = 3
AGAIN_SECONDS = 60.0
"""Between two tries to give its orders to a switch that they did not reach, while the run goes on."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """Arm once per start of the pod, and once per launch; a switch that cannot prove itself is recorded, and the run
    goes on unprotected. One that was not reached has refused nothing."""
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
    """The run went on without its switch, which its orders did not reach: they are sent again, now that there is a way
    to the pod."""
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
    """It has failed for good; or a pod in which a job may run is silent for long: what became of that matters more."""
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
        launch=facts.launch.number,
    )
    return Do(ArmSwitch(target(facts), order))
