"""select: choose the next GPU type and data center in the order of the config, within the price cap."""

from __future__ import annotations

from rpd.engine.deadline import remaining
from rpd.engine.decision import Decision, Fire, Wait
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import Candidate, candidate_key
from rpd.states.facts.search import Refusal
from rpd.states.policy.bounds import listed
from rpd.states.policy.places import AVOIDED, elsewhere, is_bad
from rpd.states.policy.rules import price_cap, stock_wait_seconds
from rpd.states.ports.names import Reason, Trigger
from rpd.states.shared.market import clouds_of, learn

NO_STOCK = "no_capacity"
POLLS_PER_STOCK_TRY = 10
"""The run does not try a candidate without stock for so many polls (RunPod: 30 s) while it waits for stock."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """Read the market once. Then name a candidate, or say why there is none."""
    if facts.launch.was_taken_over:
        return Fire(Trigger.NO_CANDIDATE, Reason.TAKEN_OVER, "another owner of this run has rented a pod for it")
    if facts.search.host_failures >= facts.job.provision.attempts:
        return Fire(Trigger.NO_CANDIDATE, Reason.HOSTS_NEVER_BOOTED)
    if (unknown := learn(facts, now)) is not None:
        return unknown
    if choose(facts, now) is not None:
        return Fire(Trigger.CANDIDATE_CHOSEN)
    left = stock_seconds_left(facts, now)
    if left > 0.0:
        return Wait(min(left, _stock_pause_left(facts, now)), "stock; nothing is rented meanwhile", now.wall + left)
    dear = any(not _is_affordable(facts, each) for each in candidates(facts, now))
    refused = [f"{key}: {refusal.text}" for key, refusal in facts.search.refusals.items()]
    tried = listed(refused) or "no candidate is within the price cap"
    return Fire(Trigger.NO_CANDIDATE, _why_none(facts, dear), tried)


def _why_none(facts: Facts, dear: bool) -> Reason:
    """If every candidate was denied access, the key is the cause, not the capacity. A price is neither."""
    reasons = {refusal.reason for refusal in facts.search.refusals.values()}
    if not reasons:
        return Reason.PRICE_OVER_CAP if dear else Reason.NO_CAPACITY
    words = {"pool_forbidden": Reason.KEY_REFUSED, Reason.HOST_TOO_DEAR: Reason.PRICE_OVER_CAP}
    return words.get(reasons.pop(), Reason.NO_CAPACITY) if len(reasons) == 1 else Reason.NO_CAPACITY


def candidates(facts: Facts, now: Stamp) -> tuple[Candidate, ...]:
    """Every GPU type (or CPU flavor) in every data center, in the order of the config; then all of them in the other
    cloud, if the config names one. Places where a host failed a short while ago come last.
    """
    good: list[Candidate] = []
    bad: list[Candidate] = []
    for cloud in clouds_of(facts.job):
        for each in facts.hardware:
            others = elsewhere(facts, now, each.id, cloud)
            good += [others] if others is not None else []
            for place in facts.datacenters or (None,):
                is_last = others is not None or is_bad(facts, now, each.id, place, cloud)
                (bad if is_last else good).append(Candidate(each.id, place, cloud))
    return (*good, *bad)


def choose(facts: Facts, now: Stamp) -> Candidate | None:
    """The first affordable candidate that was not refused. While the run waits for stock, also a candidate that was
    sold out some time ago.

    When every other candidate was tried, a place whose host failed to boot may be tried again: it will be another host.
    """
    affordable = [each for each in candidates(facts, now) if _is_affordable(facts, each)]
    is_waiting = stock_seconds_left(facts, now) > 0.0
    for each in affordable:
        refusal = facts.search.refusals.get(candidate_key(each))
        if refusal is None or (is_waiting and _pause_left(facts, refusal, now) == 0.0):
            return each
    again = (*AVOIDED, "proved_absent")
    for each in affordable:
        if facts.search.refusals[candidate_key(each)].reason in again:
            return each
    return None


def stock_seconds_left(facts: Facts, now: Stamp) -> float:
    """How long the run may still wait for stock; 0.0 if it does not wait, or if the problem is not stock."""
    wait = stock_wait_seconds(facts)
    since = facts.launch.since or facts.progress.started
    if not wait or since is None or not any(each.reason == NO_STOCK for each in facts.search.refusals.values()):
        return 0.0
    return remaining(since, wait, now)


def _pause_left(facts: Facts, refusal: Refusal, now: Stamp) -> float:
    pause = POLLS_PER_STOCK_TRY * facts.profile.poll_seconds
    if refusal.reason != NO_STOCK or refusal.at is None:
        return pause
    return remaining(refusal.at, pause, now)


def _stock_pause_left(facts: Facts, now: Stamp) -> float:
    return max(0.1, min(_pause_left(facts, refusal, now) for refusal in facts.search.refusals.values()))


def usd_per_hour(facts: Facts, candidate: Candidate) -> float | None:
    """The list price of the whole pod (all GPUs or vCPUs); None if the catalog does not list one."""
    for offer in facts.search.offers or ():
        if offer.gpu_id == candidate.gpu_id and offer.cloud == candidate.cloud and offer.usd_per_hour:
            return offer.usd_per_hour * facts.job.pod.units
    return None


def _is_affordable(facts: Facts, candidate: Candidate) -> bool:
    """Fails closed: if there is a cap, an unknown price counts as too high."""
    cap = price_cap(facts, candidate.gpu_id)
    if cap is None:
        return True
    price = usd_per_hour(facts, candidate)
    return price is not None and price <= cap
