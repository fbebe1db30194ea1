"""arm: the dead-man's switch in the pod gets its orders, and has to show that it could act."""

from __future__ import annotations

from rpd.engine.decision import Decision, Do, Fire, Pending, Result, Wait
from rpd.journal.records import Stamp
from rpd.states.call import pack, pause_left, repeatable, target, unknown_operation, unpack
from rpd.states.facts import Facts
from rpd.states.names import Op, Trigger
from rpd.states.policy import is_protected, limit_at
from rpd.states.world import SwitchOrder, Target, World

TRIES_MAX = 3


def decide(facts: Facts, now: Stamp) -> Decision:
    """Arm once per start of the pod, and once per launch; a switch that cannot prove itself is recorded, and the run
    goes on unprotected."""
    pod = facts.pod
    assert pod is not None, "arm needs a pod"
    if facts.armed_start == pod.starts and facts.armed is not None:
        if is_protected(facts):
            return Fire(Trigger.SWITCH_ARMED)
        return Fire(Trigger.SWITCH_REFUSED, why=f"not protected: {facts.armed.probe}")
    if facts.failures.get(Op.ARM_SWITCH, 0) >= TRIES_MAX:
        return Fire(Trigger.SWITCH_REFUSED, why=f"not protected: {facts.last_error}")
    left = pause_left(facts, Op.ARM_SWITCH, now, first=0.5, cap=4.0)
    if left:
        return Wait(left, f"the switch in the pod ({facts.last_error})")
    order = SwitchOrder(
        generation=facts.epoch * 1000 + pod.starts + facts.launch - 1,
        limit_at=limit_at(facts, now),
        action="stop",
        owner_silence_seconds=facts.profile.owner_silence_seconds,
        launch=facts.launch,
    )
    return Do(Op.ARM_SWITCH, pack(target=target(facts), order=order))


def perform(pending: Pending, world: World) -> Result:
    """Write the orders, start the switch, read it back."""
    if pending.op != Op.ARM_SWITCH:
        raise unknown_operation(pending)
    return Result(
        data=pack(armed=world.remote.arm(unpack(pending, "target", Target), unpack(pending, "order", SwitchOrder)))
    )


def probe(pending: Pending, world: World) -> Result | None:
    """Arming again replaces the orders."""
    return repeatable(pending, world)
