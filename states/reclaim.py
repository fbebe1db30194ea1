"""reclaim: before the run rents a pod, it takes up a paused pod of the same lineage if one still fits."""

from __future__ import annotations

from rpd.engine.decision import Decision, Do, Fire, Look
from rpd.journal.records import DebtChange, Stamp
from rpd.states.facts import Facts
from rpd.states.operations.search import FindPaused, HandOver
from rpd.states.policy.bounds import first_that_fit, listed
from rpd.states.policy.reuse import drift, is_fresh_wanted, on_drift, stopped_usd_per_hour
from rpd.states.ports.names import Op, Trigger
from rpd.states.ports.world import Paused

TRIES_MAX = 3
"""After so many failed looks at the other journals, the run rents a fresh pod."""
DRIFT_BYTES = 8 * 1024


def decide(facts: Facts, now: Stamp) -> Decision:
    """Look once, then take the newest pod that fits. Take a pod that does not fit only to delete it, if the config says
    so. Leave every other pod alone, and rent a fresh one.
    """
    if not (facts.job.lifecycle.on_success == "recycle" or is_fresh_wanted(facts)):
        return Fire(Trigger.NOTHING_PAUSED)
    if facts.pod is not None:
        return Fire(Trigger.POD_TAKEN)
    if facts.lineage.paused is None:
        tries = facts.tried(Op.FIND_PAUSED)
        if tries.failures >= TRIES_MAX:
            return Fire(Trigger.NOTHING_PAUSED, None, f"the other journals cannot be read ({tries.error})")
        return Look(FindPaused(facts.opened.lineage))
    reasons = []
    for paused in facts.lineage.paused:
        if paused.pod_name in facts.pods:
            continue
        if paused.pod_name in facts.lineage.not_handed_over:
            reasons.append(f"pod {paused.pod_id}: {facts.lineage.not_handed_over[paused.pod_name]}")
            continue
        differences = drift(paused, facts.job)
        how = on_drift(facts)
        if not is_fresh_wanted(facts) and differences and how == "ask":  # no person was there to answer
            reasons.append(f"pod {paused.pod_id} drifted, and stays paused: {'; '.join(differences)}")
            continue
        return _take(facts, paused, differences)
    # One record cannot hold all of them: look for the next ones.
    if facts.lineage.left_out and facts.tried(Op.FIND_PAUSED).failures < TRIES_MAX:
        known = tuple(paused.pod_name for paused in facts.lineage.paused)
        return Look(FindPaused(facts.opened.lineage, known))
    return Fire(Trigger.NOTHING_PAUSED, None, listed(reasons, " | ") or None)


def _take(facts: Facts, paused: Paused, differences: tuple[str, ...]) -> Do:
    is_unwanted = is_fresh_wanted(facts) or bool(differences and on_drift(facts) == "replace")
    debt = DebtChange(paused.pod_name, "storage", "open", usd_per_hour=stopped_usd_per_hour(paused))
    return Do(HandOver(paused, is_unwanted, first_that_fit(differences, DRIFT_BYTES)), debts=(debt,))
