"""What can end any state that may hold a pod: a request, the budget, a vanished pod. Interrupts are checked before the
state decides.

rpd notices a vanished pod only by a look. A state that waits for long therefore looks at the pod every
`POD_LOOK_SECONDS` (`rpd.states.shared.link`), as `monitor` does.
"""

from __future__ import annotations

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Fire, Leave
from rpd.engine.rule import Table
from rpd.journal.records import Stamp
from rpd.states.arm import decide_again
from rpd.states.facts import Facts
from rpd.states.policy.outage import out_of_reach
from rpd.states.policy.rules import answer, is_protected, released_by, request_reason, request_why, used_up
from rpd.states.policy.verdict import is_parked, is_waited_in_vain
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import BEFORE_ATTENDING, BEFORE_LAUNCH, WITH_JOB, Reason, State, Trigger
from rpd.states.shared.link import stand_back
from rpd.states.shared.notice import budget_warning
from rpd.states.shared.sweep import decide_alone, decide_sweep

MISSES_MIN = 3
IN_VAIN = "the script had succeeded, and rpd only waited for what it had left in the background"
WITH_POD = tuple(dict.fromkeys((*BEFORE_LAUNCH, *BEFORE_ATTENDING, State.ATTEND, *WITH_JOB, State.COLLECT)))


def interrupts(state: State, facts: Facts, now: Stamp) -> Decision | None:
    """The edge to take at once. None lets the state decide."""
    if state not in WITH_POD:
        return None
    failed = (each for each in facts.contact.tries.values() if each.failures)
    met = next((each for each in failed if each.reason == Fault.TAKEN_OVER), None)
    if met is not None:
        return stand_back(facts, met.error or "another owner acts on this run")
    pod = facts.pod
    if pod is not None and pod.missed.looks >= MISSES_MIN and _is_vanished(facts, now):
        if pod.origin.paused is not None and not pod.was_used and state in (State.BOOT, State.CONNECT):
            return Fire(Trigger.HOST_FAILED, Reason.PAUSED_POD_GONE, "the paused pod is not there any more")
        hoped = (None, Reason.JOB_SUCCEEDED, Reason.RESULTS_UNVERIFIED)
        is_all_here = facts.launch.intended and (facts.collected or not facts.is_worth_fetching)
        return Fire(Trigger.POD_GONE, Reason.POD_VANISHED if facts.ending.reason in hoped and not is_all_here else None)
    if state is not State.COLLECT and not is_parked(facts):
        if facts.request is not None:
            decision = _requested(state, facts, now)
            if decision is not None:
                return decision
        # Otherwise rpd only fetches results, and that has its own limits.
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
        return None  # the job may run: ask the pod first, and touch nothing
    if answer(facts) == "detach":
        return _detached(state, facts, now)
    if facts.request == "gc" and facts.launch.intended and state not in WITH_JOB:
        return Fire(Trigger.CANCEL)  # stop the pod; `resume` finds out how the run ends
    return Fire(Trigger.CANCEL, request_reason(facts), request_why(facts))


def _detached(state: State, facts: Facts, now: Stamp) -> Decision | None:
    """Leave a running job. Before the launch there is no job to leave, and the request waits. It also waits while the
    account does not show the pod: another look shows whether the pod is gone.
    """
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
    """A young pod may not be readable yet. An older pod counts as gone after the proof interval."""
    pod = facts.pod
    if pod is None or pod.missed.since is None:
        return False
    patience = facts.profile.proof_interval_seconds if pod.seen is not None else facts.profile.quiet_window_seconds
    is_young = elapsed(pod.started_at or pod.origin.sent_at, now) < facts.profile.quiet_window_seconds
    if is_young:
        patience = max(patience, facts.profile.quiet_window_seconds / 3.0)
    return elapsed(pod.missed.since, now) >= patience


def edges(table: Table) -> frozenset[tuple[str, str]]:
    """The (state, trigger) pairs of the table that are interrupts. A test compares them with `interrupts`."""
    ends = (Trigger.CANCEL, Trigger.OUT_OF_TIME, Trigger.OUT_OF_MONEY, Trigger.POD_GONE, Trigger.OUT_OF_REACH)
    return frozenset((str(rule.source), str(rule.trigger)) for rule in table.every_rule if rule.trigger in ends)
