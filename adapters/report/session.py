"""A session in words: its five stages while it comes up, its services, and how it was left."""

from __future__ import annotations

from collections.abc import Callable

from rpd.adapters.report.words import clock, duration, money, one_line, rate
from rpd.engine.deadline import elapsed, is_before
from rpd.journal.records import Body, Observation, Requested, Stamp, Transition
from rpd.states.facts import Facts
from rpd.states.policy import cost
from rpd.states.policy.rules import spent_usd, usd_per_hour
from rpd.states.ports.names import Op, State, Trigger
from rpd.states.shared.preserve import is_kept

Debts = Callable[[Facts, Stamp], list[str]]
STAGES: dict[str, str] = {
    Trigger.CANDIDATE_CHOSEN: "Requesting pod",
    Trigger.POD_CREATED: "Waiting for pod to start",
    Trigger.ADDRESS_KNOWN: "Pod running, waiting for SSH",
    Trigger.SWITCH_ARMED: "SSH ready, establishing tunnel",
}
"""What a person is told on the way. The fifth is `connected_words`, after every service has answered."""
LEFT_AS = {"stop": "stop the pod", "delete": "delete the pod", "preserve": "keep the pod"}
_AT_ONCE_SECONDS = 2.0


def told_of_session(body: Body | None, facts: Facts, at: Stamp) -> str | None:
    """A sentence about a record of a session. None: it is told as for every run. Empty: it is not told."""
    match body:
        case Transition(trigger=Trigger.CONNECTED):
            return connected_words(facts)
        case Transition(trigger=Trigger.SSH_ANSWERED):
            return ""
        case Transition(trigger=Trigger.SWITCH_REFUSED):
            return f"{STAGES[Trigger.SWITCH_ARMED]}; {body.why}"
        case Transition() if body.trigger in STAGES:
            return STAGES[body.trigger]
        case Transition(trigger=Trigger.SERVICE_FAILED | Trigger.RETURNED):
            return body.why
        case Observation(op=Op.ATTEND):
            return _attended(body, facts, at)
        case Requested(what="leave"):
            how = str(body.detail.get("how") or "")
            return f"left: {LEFT_AS.get(how, 'no answer, so the pod is stopped')}"
        case _:
            return None


def connected_words(facts: Facts) -> str:
    """Where the services are, once they have answered."""
    urls = urls_of(facts)
    return f"Connected: {urls}" if urls else f"Connected: rpd shell {facts.run_id} opens a shell in the pod"


def urls_of(facts: Facts) -> str:
    """Where the services are on this machine."""
    return ", ".join(
        f"http://127.0.0.1:{each.local_port} (port {each.port} of the pod)"
        for each in facts.container.served
        if each.local_port is not None
    )


def _attended(seen: Observation, facts: Facts, at: Stamp) -> str:
    if seen.error is not None:
        return f"the connection to the pod is lost ({seen.error}); trying again"
    waiting = [each for each in facts.container.served if not each.is_ready]
    if waiting and facts.state is State.ATTEND:
        return "; ".join(f"port {each.port} does not answer: {each.said}" for each in waiting)
    entered, began = facts.progress.entered, facts.process.since
    is_new = entered is not None and began is not None and is_before(entered, began)  # it goes on in this process
    is_first = not is_new and (entered is None or elapsed(entered, at) < _AT_ONCE_SECONDS)
    if facts.state is not State.ATTEND or is_first:
        return ""
    lost = facts.container.was_unreached
    after = f" after {duration(lost)}" if lost else ""
    return f"Connected again{after}{': ' if facts.container.served else ''}{urls_of(facts)}"


def session_words(facts: Facts, now: Stamp, debt_lines: Debts, cause: list[str]) -> list[str]:
    """The last words of a session: how it was left, what it cost, what still bills, and what to type next."""
    took = duration(elapsed(facts.progress.started, now)) if facts.progress.started else ""
    spent, name, run = f"{money(spent_usd(facts, now))} (est.)", facts.opened.workflow, facts.run_id
    if facts.report.outcome is not None:
        reason = f" ({facts.report.reason})" if facts.report.reason else ""
        lines = [f"session {name} is over: {facts.report.outcome}{reason} after {took}; {spent}"]
        lines += cause if facts.report.outcome != "succeeded" else []
        owed = debt_lines(facts, now)
        return [one_line(line) for line in [*lines, *(owed or ["nothing of this session bills"])]]
    if is_kept(facts, now) and facts.pod is not None:
        until = clock(facts.pod.kept_until or 0.0)
        lines = [f"session {name} is left, and its pod kept up until {until} at {rate(usd_per_hour(facts))}; {spent}"]
        lines += debt_lines(facts, now)
        return [one_line(line) for line in [*lines, f"next:    rpd resume {run}   attaches again"]]
    if facts.debts.compute:
        lines = [f"session {name} goes on in state {facts.state} without this rpd; {spent} so far"]
        return [one_line(line) for line in [*lines, *debt_lines(facts, now), f"next:    rpd resume {run}"]]
    lines = [f"session {name} is left, and its pod stopped, after {took}; {spent}"]
    lines += cause if facts.ending.reason is not None and facts.ending.reason != "left" else []
    monthly = money(cost.stopped_usd_per_month(facts.volume_gb))
    lines.append(f"stopped: its volume is kept at about {monthly} a month; what was not on it is gone")
    lines += [f"next:    rpd resume {run}   starts it again", f"         rpd release {run} --delete   ends that"]
    return [one_line(line) for line in lines]
