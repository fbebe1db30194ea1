"""Notices to a person: one for each occasion, even if the message fails. The states in which a run can come near its
budget use this, and so does the end of a run.
"""

from __future__ import annotations

from rpd.engine.decision import Decision, Do
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.operations.results import Notify, WriteManifest
from rpd.states.policy.doubts import OF_LOG, doubt
from rpd.states.policy.manifest import checksum, manifest, not_here, utc
from rpd.states.policy.rules import budget_share, cost_cap, usd_per_hour, used
from rpd.states.policy.verdict import verdict
from rpd.states.ports.names import STAYS_LONG, Op, State
from rpd.states.ports.world import Notice
from rpd.states.shared.reading import decide_reading

TRIES_MAX = 3
"""Tries to write the manifest."""
WARN_AT = 0.8
"""rpd sends a notice when a run that goes on has used this share of its budget, in time or money."""


def budget_warning(state: State, facts: Facts, now: Stamp) -> Decision | None:
    """The warning that most of the budget is used up. It is sent once."""
    if state not in STAYS_LONG or "budget" in facts.report.noticed or facts.ending.reason is not None:
        return None
    share = budget_share(facts, now)
    if share < WARN_AT:
        return None
    (seconds, dollars), minutes = used(facts, now), facts.job.budget.max_runtime_minutes
    spent = f"${dollars:.2f} of ${cost_cap(facts):.2f}"
    spent += f", {seconds / 60.0:.1f} of {minutes:g} minutes" if minutes is not None else ""
    return _notify(facts, "budget", f"{share:.0%} of the budget is used up ({spent}); the run is ended at 100 %")


def doubt_notice(facts: Facts) -> Decision | None:
    """The notice that a success may not be real. It is sent once, while the pod is there."""
    text = doubt(facts)
    return _notify(facts, "doubt", text) if text is not None and _is_asked("doubt", facts) else None


def end_notice(facts: Facts) -> Decision | None:
    """The result of the run, sent once if the job file asks for notices."""
    if not _is_asked("end", facts):
        return None
    outcome, reason, exit_code = verdict(facts)
    text = f"the run ends {outcome}{f' ({reason})' if reason else ''}; rpd's exit code is {exit_code}"
    cause = facts.results.reading.cause if facts.results.reading is not None and outcome != "succeeded" else None
    text += f"; {doubted}" if (doubted := doubt(facts)) is not None else ""
    text += f"; the job's log says: {cause.line}" if cause is not None and reason in OF_LOG else ""
    text += "".join(f"; {words}" for words in not_here(facts))
    pod = facts.pod
    if facts.state is State.RELEASE and pod is not None and pod.kept_until is not None:
        text += f"; its pod is kept up until {utc(pod.kept_until)} at ${usd_per_hour(facts):.2f} an hour"
    return _notify(facts, "end", text)


def _is_asked(what: str, facts: Facts) -> bool:
    """The job file asks for notices, and this one was not sent."""
    notify = facts.job.notify
    return what not in facts.report.noticed and (notify.command is not None or notify.webhook is not None)


def _notify(facts: Facts, what: str, text: str) -> Do:
    notify = facts.job.notify
    notice = Notice(what, facts.run_id, facts.opened.workflow, text, notify.command, notify.webhook)
    return Do(Notify(notice))


def decide_telling(facts: Facts, now: Stamp) -> Decision | None:
    """Read the log if this was not done, send the notice, write the manifest. None if that is done or given up."""
    telling = decide_reading(facts) or end_notice(facts)
    if telling is not None:
        return telling
    if facts.report.manifest_sha256 is None and facts.tried(Op.WRITE_MANIFEST).failures < TRIES_MAX:
        whole = manifest(facts, now)
        return Do(WriteManifest(facts.opened.run_dir, now, checksum(whole)), payload=whole)
    return None
