"""The last words of a run: how it ended, what it cost, what still bills, and what to type next."""

from __future__ import annotations

import shlex

from rpd.adapters.local.dirs import own_key_path, state_home
from rpd.adapters.report.background import left_words
from rpd.adapters.report.session import session_words
from rpd.adapters.report.why import cause_of, doubt_and_advice
from rpd.adapters.report.words import clock, duration, money, one_line, rate
from rpd.engine.deadline import elapsed
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.policy import cost
from rpd.states.policy.manifest import not_here
from rpd.states.policy.reuse import paused_pods
from rpd.states.policy.rules import (
    SWITCH_TICK_SECONDS,
    cost_cap,
    locked_words,
    released_by,
    spent_usd,
    usd_per_hour,
    why_kept,
)
from rpd.states.policy.verdict import is_cut_off, job_ending, verdict
from rpd.states.ports.names import Reason
from rpd.states.ports.world import left_out, refusal
from rpd.states.shared.preserve import is_cut_short, is_kept, why_not_kept

CONSOLE_URL = "https://console.runpod.io/pods"
SECRETS_LEFT = "         files of secrets could not be removed from it: delete it as soon as you have its results"


def last_words(facts: Facts, now: Stamp, *, elsewhere: str | None = None) -> list[str]:
    """Lines for a person. They come from the facts, so they are true whatever happened. `elsewhere` is the file with
    the end of the run, if its journal could not be written. By the journal itself, such a run still goes on."""
    if facts.is_session and elsewhere is None:
        return session_words(facts, now, debt_lines, _cause_lines(facts))
    lines = [_headline(facts, now)]
    if elsewhere is None and facts.report.outcome not in (None, "succeeded"):
        return [one_line(line) for line in [*lines, *_failure_lines(facts, now)]]
    if facts.results.pulled and not facts.uncollected and not facts.missing:
        lines.append(f"results: {facts.opened.run_dir}")
    else:
        lines.append(f"run folder: {facts.opened.run_dir}")
    lines += _beside("beware:", doubt_and_advice(facts))
    not_kept = why_not_kept(facts)
    lines += [f"not kept up: {not_kept}"] if not_kept is not None else []
    lines += [f"left:    {words}" for words in left_words(facts)]
    lines += _refusal_lines(facts)
    lines += _warnings(facts)
    lines += debt_lines(facts, now)
    lines += _wiped(facts)
    if elsewhere is not None:
        lines.append(f"the journal could not be written; what it lacks is in {elsewhere}")
        lines.append(f"next:    make room on the disk, then   rpd resume {facts.run_id}")
    elif is_kept(facts, now):
        if facts.ending.reason is not Reason.JOB_SUCCEEDED:
            lines += _cause_lines(facts)
        lines += [f"look:    {_way_in(facts)}"] if facts.pod is not None and facts.pod.seen is not None else []
        lines.append(f"next:    rpd release {facts.run_id}   (--keep-until 2h for longer)")
    elif facts.report.outcome is None:
        lines += [f"next:    rpd resume {facts.run_id}", f"         rpd release {facts.run_id}"]
    return [one_line(line) for line in lines]


def _failure_lines(facts: Facts, now: Stamp) -> list[str]:
    """Lines for a run that is over and no success: why, what to do about it, what was kept and its cost, and one
    command."""
    not_kept = why_not_kept(facts)
    return [
        *_cause_lines(facts),
        *_refusal_lines(facts),
        *(f"left:    {words}" for words in left_words(facts)),
        *([f"not kept up: {not_kept}"] if not_kept is not None else []),
        *(
            [f"kept:    {_kept_here(facts)}; {_kept_there(facts)}"]
            if not facts.debts.compute
            else debt_lines(facts, now)
        ),
        *_wiped(facts),
        *_secrets_left(facts),
        f"next:    rpd inspect {facts.run_id}",
    ]


def _cause_lines(facts: Facts) -> list[str]:
    what, advice = cause_of(facts)
    return [f"why:     {what}", *([f"try:     {advice}"] if advice else [])]


def _beside(label: str, texts: list[str]) -> list[str]:
    """The texts, each in a separate line, with the label before the first."""
    return [f"{label if index == 0 else '':9}{text}" for index, text in enumerate(texts)]


def _kept_here(facts: Facts) -> str:
    what = "the log and what else arrived" if facts.results.log_fetched else "what arrived"
    if facts.results.log_fetched and not facts.job.artifacts:
        what = "the log"
    elif facts.results.pulled and not facts.uncollected and not facts.missing:
        what = "log and results"
    elif not facts.launch.intended:
        what = "the run's record"
    return f"{what} in {facts.opened.run_dir}"


def _kept_there(facts: Facts) -> str:
    """What still costs money, how much, and the command that ends it, in one phrase."""
    if not facts.debts.storage:
        return "nothing of this run bills" if facts.was_rented else "nothing was rented"
    monthly = sum((debt.usd_per_hour or 0.0) * cost.HOURS_PER_MONTH for debt in facts.debts.storage.values())
    known = [facts.pods.get(name) for name in facts.debts.storage]
    names = ", ".join(pod.id or pod.name for pod in known if pod is not None) or "the pod"
    noun = "pod" if len(facts.debts.storage) == 1 else "pods"
    gigabytes = round(monthly / cost.STOPPED_VOLUME_USD_PER_GB_MONTH)
    return (
        f"{noun} {names}, stopped, with {gigabytes} GB at about {money(monthly)} a month until: "
        f"rpd release {facts.run_id} --delete"
    )


def _wiped(facts: Facts) -> list[str]:
    if not facts.wiped:
        return []
    mount = facts.job.storage.volume_mount
    return [f"lost:    {', '.join(facts.wiped)}: the stop has wiped what is not on the volume ({mount})"]


def _secrets_left(facts: Facts) -> list[str]:
    left = (facts.pods.get(name) for name in facts.debts.storage)
    return [SECRETS_LEFT for pod in left if pod is not None and pod.container.secrets_left == "disk"][:1]


def _refusal_lines(facts: Facts) -> list[str]:
    """For artifacts that arrived incomplete: what was left out, where the rest is, which other artifacts did not
    arrive, and that another try brings nothing more."""
    # An open run with something to collect asks for all of them again.
    lines = [] if facts.results_wait else [f"warning: {words}" for words in not_here(facts)]
    for artifact in facts.job.artifacts:
        pulled = facts.results.pulled.get(artifact.label)
        if pulled is None or not pulled.refused:
            continue
        lines += [refusal(pulled), f"         the rest is verified and at {artifact.local_path}"]
    if not lines:
        return []
    pod = facts.pod
    if pod is None or pod.name not in facts.debts.storage:
        return lines
    lines.append("         they are in the stopped pod alone, and rpd resume cannot fetch them")
    if facts.profile.name == "runpod":
        lines.append(f"         to get at them, start it at {CONSOLE_URL} (it bills, and no switch of rpd's ends it)")
    return lines


def _warnings(facts: Facts) -> list[str]:
    """What was left out of artifacts that count as arrived."""
    lost = [facts.results.pulled[each.label] for each in facts.job.artifacts if each.label in facts.results.pulled]
    lines = [f"warning: {left_out(pulled)}" for pulled in lost if pulled.left_out]
    if lines:
        lines.append("         fetch what they lead to as an artifact of its own, or say artifacts[].links: skip")
    return lines


def _headline(facts: Facts, now: Stamp) -> str:
    spent = f"{money(spent_usd(facts, now))} (est.)"
    took = duration(elapsed(facts.progress.started, now)) if facts.progress.started else ""
    kept = is_kept(facts, now)
    if facts.report.outcome is None and not kept:
        return f"unfinished in state {facts.state} after {took}; {spent} so far"
    outcome, word = verdict(facts)[:2] if kept else (facts.report.outcome, facts.report.reason)
    reason = f" ({word})" if word and outcome != "succeeded" else ""
    has_code = facts.launch.claim is not None and facts.launch.claim.exit_code not in (None, 0)
    # In the first case the next line has the code. In the second case it is the code of a good script.
    is_shown = facts.ending.reason is Reason.JOB_FAILED or (
        facts.ending.reason is Reason.JOB_SUCCEEDED and is_cut_off(facts)
    )
    ended = job_ending(facts).replace("ended with exit", "the job's exit")
    code = f", {ended}" if has_code and not is_shown else ""
    return f"{outcome}{reason}{code} in {took}; {f'its pod is kept up; {spent} so far' if kept else spent}"


def _way_in(facts: Facts) -> str:
    """The command that opens a shell in the pod in hand."""
    address = facts.pod.seen.ssh if facts.pod is not None and facts.pod.seen is not None else None
    if address is None:
        return "its address is not known"
    key = facts.job.ssh.key_path or str(own_key_path(state_home()))
    return f"ssh -i {shlex.quote(key)} -p {address.port} {address.username}@{address.host}"


def debt_lines(facts: Facts, now: Stamp, *, seen: Stamp | None = None) -> list[str]:
    """What still costs money, how much, and the command that ends it. `seen` is the time of the last look at the pod;
    None while a process looks at it."""
    lines = []
    pod = facts.pod
    for name in facts.debts.compute:
        known = facts.pods.get(name)
        label = f"pod {known.id}" if known and known.id else f"a pod named {name}, if it exists,"
        hourly = usd_per_hour(facts) if pod is not None and known is pod else known.usd_per_hour if known else 0.0
        is_wanted = is_kept(facts, now)
        who = released_by(facts, now) if known is pod else None  # the switch looks after its own pod alone
        is_guarded = who is not None and who.at is not None
        word = "kept up" if is_wanted else _billing(facts, now, seen) if is_guarded else "BILLING"
        lines.append(f"{word}: {label} at {rate(hourly or (known.usd_per_hour if known else 0.0))}")
        if who is not None and who.at is not None:
            lines.append(
                f"         released by {who.who} at {clock(who.at)}; worst case {money(who.worst_case_usd or 0.0)}"
            )
            if is_wanted and is_cut_short(facts, now):
                lines.append(f"         no longer: the cost cap of {money(cost_cap(facts))} is used up by then")
            if not is_wanted and facts.is_session:
                wait = duration(facts.profile.owner_silence_seconds)
                lines.append(f"         sooner where no rpd attends it: {wait} later its switch stops it")
            elif not is_wanted and facts.launch.intended:
                wait = duration(facts.profile.owner_silence_seconds)
                lines.append(f"         sooner where its job ends and no rpd comes: {wait} later it stops the pod")
                lines.append("         with the results in it; rpd resume collects them")
        elif (locked := locked_words(facts)) is not None:
            lines.append(f"         {locked}")
        else:
            console = f"   (or {CONSOLE_URL})" if facts.profile.name == "runpod" else ""
            lines.append(f"         nothing releases it while no rpd runs: rpd gc --yes{console}")
    for name, debt in facts.debts.storage.items():
        known = facts.pods.get(name)
        monthly = (debt.usd_per_hour or 0.0) * cost.HOURS_PER_MONTH
        label = known.id if known and known.id else name
        gigabytes = round(monthly / cost.STOPPED_VOLUME_USD_PER_GB_MONTH)
        is_next = name in {each.pod_name for each in paused_pods(facts)}
        what = "paused:  pod" if is_next else "stopped: pod"
        lines.append(f"{what} {label} keeps {gigabytes} GB at about {money(monthly)} a month")
        why_it = why_kept(facts) if known is not None and known is pod else None
        if is_next:
            lines.append("         the next run of this file takes it up")
        elif why_it is not None:
            lines.append(f"         kept: {why_it}")
        lines.append(f"         rpd release {facts.run_id} --delete   ends that")
        if known and known.container.secrets_left == "disk":
            lines.append(SECRETS_LEFT)
    return lines


def _billing(facts: Facts, now: Stamp, seen: Stamp | None) -> str:
    """Whether a pod with an armed switch bills, by a journal without records since `seen`. The switch stops the pod
    when its time is up, or when its job has ended and no owner came back."""
    if seen is None or facts.container.armed is None:
        return "BILLING"
    if now.wall > facts.container.armed.limit_at + SWITCH_TICK_SECONDS:
        return (
            f"stopped by its switch, unless that failed (last seen {clock(seen.wall)}; rpd resume {facts.run_id} looks)"
        )
    if facts.launch.intended and elapsed(seen, now) >= facts.profile.owner_silence_seconds:
        return f"BILLING unless its job has ended (last seen {clock(seen.wall)}; rpd resume {facts.run_id} looks)"
    return "BILLING"
