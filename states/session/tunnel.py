"""tunnel: local ports lead into the pod. The session counts as connected only when every service has answered over
them.
"""

from __future__ import annotations

from rpd.engine.deadline import elapsed, is_before
from rpd.engine.decision import Decision, Fire, Look, Wait
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.operations.attend import Attend
from rpd.states.policy.outage import is_offline, offline_seconds
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.shared.link import decide_link

RETRY_SECONDS, RETRY_SECONDS_MAX = 2.0, 32.0
"""The pauses between tries that do not reach the pod: 2, 4, 8, 16 and 32 s."""
SOON_SECONDS, ASK_SECONDS, LATER_SECONDS = 20.0, 0.5, 2.0
"""A service that starts is asked every half second at first, and every two seconds after a while."""
FRESH_SECONDS = 10.0
"""An answer that is older than this does not count after the deadline: this machine may have slept."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """Ask until every service answers. Give up at the deadline. Only tries that do not reach the pod get longer
    pauses.
    """
    asked = facts.tried(Op.ATTEND)
    waiting = [each for each in facts.container.served if not each.is_ready]
    if asked.is_answered and not waiting:
        return Fire(Trigger.CONNECTED)
    is_fresh = asked.at is not None and elapsed(asked.at, now) < FRESH_SECONDS
    left = _seconds_left(facts, now)
    if left <= 0.0 and asked.at is not None and (is_fresh or asked.failures) and not is_offline(facts):
        said = "; ".join(f"port {each.port}: {each.said}" for each in waiting) or asked.error
        text = f"not ready within {facts.session.ready_seconds:.0f} s ({said})"
        return Fire(Trigger.SERVICE_FAILED, Reason.SERVICE_NOT_READY, text)
    if asked.is_answered and asked.at is not None:
        pause = ASK_SECONDS if elapsed(_since(facts, now), now) < SOON_SECONDS else LATER_SECONDS
        if elapsed(asked.at, now) < pause:
            what = ", ".join(f"the service at port {each.port} ({each.said})" for each in waiting)
            return Wait(pause - elapsed(asked.at, now), what, now.wall + left)
    look = Look(Attend(target(facts), facts.session.services))
    return decide_link(facts, now, look, first=RETRY_SECONDS, cap=RETRY_SECONDS_MAX)


def _since(facts: Facts, now: Stamp) -> Stamp:
    """When this process began to ask."""
    since, began = facts.progress.entered or now, facts.process.since
    return began if began is not None and is_before(since, began) else since


def _seconds_left(facts: Facts, now: Stamp) -> float:
    """Time in which this machine is offline does not count."""
    return facts.session.ready_seconds + offline_seconds(facts, now) - elapsed(_since(facts, now), now)
