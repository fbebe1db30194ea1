"""reclaim: before anything is rented, a paused pod of the same lineage is taken up, where one still fits."""

from __future__ import annotations

from typing import Any

from rpd.engine.decision import Decision, Do, Fire, Look, Pending, Result
from rpd.engine.errors import NotSent, Refused
from rpd.journal.records import DebtChange, Stamp
from rpd.states.bounds import LIST_BYTES, first_that_fit, listed, size_of
from rpd.states.call import pack, unknown_operation, unpack
from rpd.states.facts import Facts
from rpd.states.ports.names import Op, Trigger
from rpd.states.ports.world import Paused, World
from rpd.states.reuse import drift, is_fresh_wanted, on_drift, stopped_usd_per_hour

TRIES_MAX = 3
"""Failed looks at the other journals before a fresh pod is rented."""
DRIFT_BYTES = 8 * 1024


def decide(facts: Facts, now: Stamp) -> Decision:
    """Look once, then take the newest that fits; one that does not is taken only to be deleted, where the config says
    so. Whatever cannot be had is left alone, and a fresh pod is rented."""
    if not (facts.job.lifecycle.on_success == "recycle" or is_fresh_wanted(facts)):
        return Fire(Trigger.NOTHING_PAUSED)
    if facts.pod is not None:
        return Fire(Trigger.POD_TAKEN)
    if facts.lineage.paused is None:
        tries = facts.tried(Op.FIND_PAUSED)
        if tries.failures >= TRIES_MAX:
            return Fire(Trigger.NOTHING_PAUSED, None, f"the other journals cannot be read ({tries.error})")
        return Look(Op.FIND_PAUSED, {"lineage": facts.opened.lineage, "known": []})
    told = []
    for paused in facts.lineage.paused:
        if paused.pod_name in facts.pods:
            continue
        if paused.pod_name in facts.lineage.not_taken:
            told.append(f"pod {paused.pod_id}: {facts.lineage.not_taken[paused.pod_name]}")
            continue
        differences = drift(paused, facts.job)
        how = on_drift(facts)
        if not is_fresh_wanted(facts) and differences and how == "ask":  # nobody was there to ask
            told.append(f"pod {paused.pod_id} drifted, and stays paused: {'; '.join(differences)}")
            continue
        return _take(facts, paused, differences)
    # One record could not hold them all: the next ones.
    if facts.lineage.left_out and facts.tried(Op.FIND_PAUSED).failures < TRIES_MAX:
        known = [paused.pod_name for paused in facts.lineage.paused]
        return Look(Op.FIND_PAUSED, {"lineage": facts.opened.lineage, "known": known})
    return Fire(Trigger.NOTHING_PAUSED, None, listed(told, " | ") or None)


def _take(facts: Facts, paused: Paused, differences: tuple[str, ...]) -> Do:
    is_unwanted = is_fresh_wanted(facts) or bool(differences and on_drift(facts) == "replace")
    debt = DebtChange(paused.pod_name, "storage", "open", usd_per_hour=stopped_usd_per_hour(paused))
    args = pack(paused=paused, is_unwanted=is_unwanted, drift=first_that_fit(differences, DRIFT_BYTES))
    return Do(Op.TAKE_OVER, args, 1, (debt,))


def perform(pending: Pending, world: World) -> Result:
    """Read what other runs have left, or take one of it over."""
    if pending.op == Op.FIND_PAUSED:
        return Result(data=_found(world.lineage.paused(str(pending.args["lineage"])), pending.args["known"]))
    if pending.op != Op.TAKE_OVER:
        raise unknown_operation(pending)
    paused = unpack(pending, "paused", Paused)
    try:
        world.lineage.take_over(paused)
    except (Refused, NotSent) as error:
        return _not_taken(paused, error.reason, error.message)
    return _taken(pending)


def probe(pending: Pending, world: World) -> Result | None:
    """The old journal says whose pod it is."""
    paused = unpack(pending, "paused", Paused)
    if world.lineage.has_taken(paused):
        return _taken(pending)
    return _not_taken(paused, "not_taken", f"it is still run {paused.run_id}'s")


def _found(paused: tuple[Paused, ...], known: list[str]) -> dict[str, Any]:
    """As many of those not `known` yet as one record can hold, and how many more there are. One that was ordered with
    so long a start command that no record holds it is left alone."""
    others = [each for each in paused if each.pod_name not in known and size_of(each) <= LIST_BYTES]
    told = first_that_fit(others)
    return pack(paused=told, after=len(known), left_out=len(others) - len(told))


def _taken(pending: Pending) -> Result:
    return Result(data={name: pending.args[name] for name in ("paused", "is_unwanted")})


def _not_taken(paused: Paused, reason: str, text: str) -> Result:
    debt = DebtChange(paused.pod_name, "storage", "close", proof=f"not taken over: {text}")
    return Result("failed", reason=reason, error=text, debts=(debt,))
