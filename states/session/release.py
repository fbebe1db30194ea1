"""release, in a session: a person may come back to a pod that was kept up. Else it is the release of every run."""

from __future__ import annotations

from rpd.engine.decision import Decision, Fire, Look
from rpd.journal.records import Stamp
from rpd.states import release
from rpd.states.facts import Facts
from rpd.states.operations.pod import ReadPod
from rpd.states.ports.names import Op, Trigger
from rpd.states.shared.preserve import is_kept


def decide(facts: Facts, now: Stamp) -> Decision:
    """Attach again to a pod that was kept, if it still runs. Nobody asks for anything else: `rpd resume` does this."""
    pod = facts.pod
    if facts.request is None and pod is not None and is_kept(facts, now):
        look = facts.tried(Op.READ_POD)
        if look.at is None:
            return Look(ReadPod.in_hand(facts))
        if look.is_answered:
            return Fire(Trigger.RETURNED, None, "a person comes back to the pod that was kept")
    return release.decide(facts, now)
