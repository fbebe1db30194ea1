"""What can end any state that may hold a pod: a request, the budget, a vanished pod. Asked before the state itself
decides. That a pod has vanished is known only where somebody looks: a state that waits for long looks at it every
`POD_LOOK_SECONDS` (`rpd.states.shared.link`), as `monitor` does."""

from __future__ import annotations

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Fire, Leave
from rpd.engine.rule import Table
from rpd.journal.records import Stamp
from rpd.states.arm import decide_again
from rpd.states.facts import Facts
from rpd.states.policy.outage import out_of_reach
from rpd.states.policy.rules import answer, is_protected, released_by, request_reason, request_why, used_up
from rpd.states.policy.verdict import is_waited_in_vain
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import BEFORE_LAUNCH, WITH_JOB, Reason, State, Trigger
from rpd.states.shared.link import stand_back
from rpd.states.shared.notice import budget_warning
from rpd.states.shared.sweep import decide_alone, decide_sweep

MISSES_MIN = 3
IN_VAIN = "the script had ended well, and what was waited for was only told to outlive it"
WITH_POD = (*BEFORE_LAUNCH, *WITH_JOB, State.COLLECT)


def interrupts(state: State, facts: Facts, now: Stamp) -> Decision | None:
    """The edge to take at once, or None to let the state decide."""
    if state not in WITH_POD:
        return None
    failed = (each for each in facts.contact.tries.values() if each.failures)
    met = next((each for each in failed if each.reason == Fault.TAKEN_OVER), None)
    if met is not None:
        return stand_back(facts, met.error or "another owner acts on this run")
    pod = facts.pod
    if pod is not None and pod.missed.looks >= MISSES_MIN and _is_vanished(facts, now):
        if pod.origin.taken is not None and not pod.was_used and state in (State.BOOT, State.CONNECT):
            return Fire(Trigger.HOST_FAILED, Reason.PAUSED_POD_GONE, "the paused pod is not there any more")
        hoped = (None, Reason.JOB_SUCCEEDED, Reason.RESULTS_UNVERIFIED)
        is_all_here = facts.launch.intended and (facts.collected or not facts.is_worth_fetching)
        return Fire(Trigger.POD_GONE, Reason.POD_VANISHED if facts.ending.reason in hoped and not is_all_here else None)
    if state is not State.COLLECT:
        if facts.request is not None:
            decision = _requested(state, facts, now)
            if decision is not None:
                return decision
        # Else only results are fetched, which has its own bounds.
        if facts.debts.compute and facts.ending.reason is None:
            end = used_up(facts, now)
            if end is not None:
                out = Trigger.OUT_OF_TIME if end == "time" else Trigger.OUT_OF_MONEY
                if state is State.MONITOR and is_waited_in_vain(facts):
                    return Fire(out, Reason.JOB_SUCCEEDED, f"the {end} budget is used up; {IN_VAIN}")
                return Fire(out, Reason.BUDGET)
    return (
        out_of_reach(state, facts, now)
        or decide_sweep(facts, now)
        or decide_again(state, facts, now)
        or budget_warning(state, facts, now)
    )


def _requested(state: State, facts: Facts, now: Stamp) -> Decision | None:
    if facts.request == "gc" and state in WITH_JOB and facts.launch.intended and not _is_unclaimed(facts):
        return None  # the job may run: the pod is asked first, and nothing is touched
    if answer(facts) == "detach":
        return _detached(state, facts, now)
    if facts.request == "gc" and facts.launch.intended and state not in WITH_JOB:
        return Fire(Trigger.CANCEL)  # the pod is given back, stopped; how the run ends is for `resume` to find out
    return Fire(Trigger.CANCEL, request_reason(facts), request_why(facts))


def _detached(state: State, facts: Facts, now: Stamp) -> Decision | None:
    """Leave a job that runs; before that there is nothing to leave, and the wish waits. So it does while the account
    does not show the pod: another look says whether it is gone."""
    if state is not State.MONITOR or (facts.pod is not None and facts.pod.missed.looks):
        return None
    alone = decide_alone(facts, now, is_patient=False)
    if alone is not None:
        return alone
    who = released_by(facts, now)
    pod = facts.pod
    is_all = pod is not None and is_protected(facts) and set(facts.debts.compute) <= {pod.name}
    exit_code = Exit.RESUMABLE if is_all else Exit.STILL_BILLING  # no switch looks after another pod of the run
    return Leave("detached; the job goes on", exit_code, who.who if who else None)


def _is_unclaimed(facts: Facts) -> bool:
    return facts.launch.claim is not None and facts.launch.claim_is_fresh and facts.launch.claim.phase == "none"


def _is_vanished(facts: Facts, now: Stamp) -> bool:
    """A young pod may not be readable yet; an older one is believed gone after the proof interval."""
    pod = facts.pod
    if pod is None or pod.missed.since is None:
        return False
    patience = facts.profile.proof_interval_seconds if pod.seen is not None else facts.profile.quiet_window_seconds
    is_young = elapsed(pod.started_at or pod.origin.sent_at, now) < facts.profile.quiet_window_seconds
    if is_young:
        patience = max(patience, facts.profile.quiet_window_seconds / 3.0)
    return elapsed(pod.missed.since, now) >= patience


def edges(table: Table) -> frozenset[tuple[str, str]]:
    """Which (state, trigger) pairs the table has for interrupts; a test holds this against `interrupts`."""
    ends = (Trigger.CANCEL, Trigger.OUT_OF_TIME, Trigger.OUT_OF_MONEY, Trigger.POD_GONE, Trigger.OUT_OF_REACH)
    return frozenset((str(rule.source), str(rule.trigger)) for rule in table.every_rule if rule.trigger in ends)
