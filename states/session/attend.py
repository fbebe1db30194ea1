"""attend: a person works in the pod. rpd keeps the local ports open, renews the lease of the switch, and watches the
pod. A session that was left with its pod stopped waits here for the person to come back.
"""

from __future__ import annotations

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Fire, Leave, Look, Wait
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.operations.attend import Attend
from rpd.states.operations.pod import ReadPod
from rpd.states.policy.rules import budget_seconds_left
from rpd.states.policy.verdict import is_parked, verdict
from rpd.states.ports.exits import Exit
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.session.tunnel import RETRY_SECONDS, RETRY_SECONDS_MAX
from rpd.states.shared.link import POD_LOOK_SECONDS, decide_link

TICK_SECONDS = 10.0
"""How often the services are asked and the lease is renewed."""
TICK_SECONDS_MIN = 0.5


def decide(facts: Facts, now: Stamp) -> Decision:
    """Be there until somebody ends it. A pod that was stopped from outside is not started again unasked: that would
    cost money that nobody has agreed to.
    """
    pod = facts.pod
    assert pod is not None, "attend needs a pod"
    if pod.released_as == "stop":
        if is_parked(facts):
            return Leave("the pod is stopped; rpd resume starts it again", _exit_code(facts))
        return Fire(Trigger.RETURNED, None, "a person comes back; start the stopped pod")
    looked = facts.tried(Op.READ_POD).at
    if looked is not None and pod.is_seen_stopped:
        return Fire(Trigger.POD_STOPPED, Reason.STOPPED_OUTSIDE, "its switch, its host or a person has stopped it")
    asked = facts.tried(Op.ATTEND)
    since = looked or facts.progress.entered
    if not asked.failures and since is not None and elapsed(since, now) > POD_LOOK_SECONDS:
        return Look(ReadPod.in_hand(facts))
    if asked.is_answered and asked.at is not None:
        tick = min(TICK_SECONDS, max(TICK_SECONDS_MIN, budget_seconds_left(facts, now)))
        if elapsed(asked.at, now) < tick:
            return Wait(tick - elapsed(asked.at, now), "you; Ctrl-C leaves")
    look = Look(Attend(target(facts), facts.session.services))
    return decide_link(facts, now, look, first=RETRY_SECONDS, cap=RETRY_SECONDS_MAX)


def _exit_code(facts: Facts) -> int:
    return verdict(facts)[2] if facts.ending.reason is not None else Exit.RESUMABLE
