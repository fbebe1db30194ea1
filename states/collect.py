"""collect: fetch the log and the artifacts, and verify every file by size and sha256. A job that must end is ended
first.
"""

from __future__ import annotations

from rpd.engine.deadline import elapsed, is_before
from rpd.engine.decision import Decision, Do, Fire, Leave
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import job_ref, target
from rpd.states.operations.job import StopJob
from rpd.states.operations.results import PULL_TRIES_MAX, FetchLog, PullArtifact
from rpd.states.policy.outage import offline_seconds
from rpd.states.policy.python_pin import exports
from rpd.states.policy.rules import (
    COLLECT_ALLOWANCE_SECONDS,
    INTERRUPTED_COLLECT_SECONDS,
    STOP_GRACE_SECONDS,
    used_up,
)
from rpd.states.policy.secrets import places_within, private_places
from rpd.states.ports.exits import Exit
from rpd.states.ports.job import Artifact, fixed_folder, is_away, is_pattern
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.ports.world import Pull, refusal
from rpd.states.shared import checkpoints, telemetry
from rpd.states.shared.link import decide_link
from rpd.states.shared.notice import doubt_notice
from rpd.states.shared.reading import decide_reading
from rpd.states.shared.secret_files import decide_placing


def decide(facts: Facts, now: Stamp) -> Decision:
    """Stop the job if it may run; then fetch the log, then each artifact. Give up when the time for this is over."""
    pod = facts.pod
    assert pod is not None, "collect needs a pod"
    if not facts.launch.intended:
        return Fire(Trigger.COLLECTED)
    if pod.released_as == "stop":
        if facts.progress.parked_epoch == facts.process.epoch or facts.request == "gc":
            return Leave("the pod is stopped with results to collect", Exit.RESUMABLE)
        return Fire(Trigger.POD_STOPPED, Reason.POD_STOPPED)
    if facts.request == "gc" and not facts.collected:
        return _give_up(facts, "left for `rpd resume`")
    if facts.process.asked.internal_error and not facts.collected:
        return _give_up(facts, "a fault of rpd itself; left for `rpd resume`")
    if _may_run(facts):
        return _bounded(facts, now, Do(StopJob(target(facts), job_ref(facts), STOP_GRACE_SECONDS)))
    if facts.launch.claim is not None and facts.launch.claim.phase == "none":
        return Fire(Trigger.COLLECTED)
    if not facts.results.log_fetched:
        return _bounded(facts, now, Do(FetchLog(target(facts), job_ref(facts), facts.local_log)))
    for artifact in (*facts.job.artifacts, *checkpoints.as_artifacts(facts), *telemetry.as_artifacts(facts)):
        if artifact.label in facts.results.pulled or _is_given_up(facts, artifact):
            continue
        if is_away(artifact.local_path) and (placing := _keys_to_place(facts)) is not None:
            return _bounded(facts, now, placing)
        return _bounded(facts, now, Do(PullArtifact(target(facts), _pull(facts, artifact))))
    return decide_reading(facts) or doubt_notice(facts) or _finish(facts)


def _keys_to_place(facts: Facts) -> Do | None:
    """The keys to a bucket may be in files of secrets, and a stop has removed these files."""
    return decide_placing(facts) if facts.tried(Op.PLACE_SECRETS).failures < PULL_TRIES_MAX else None


def _finish(facts: Facts) -> Decision:
    succeeded = facts.ending.reason is Reason.JOB_SUCCEEDED
    if facts.uncollected:
        return Fire(Trigger.COLLECT_FAILED, Reason.RESULTS_UNVERIFIED if succeeded else None, _what_lacks(facts))
    if facts.missing:
        return Fire(Trigger.COLLECT_FAILED, Reason.ARTIFACT_MISSING if succeeded else None, facts.what_is_missing)
    return Fire(Trigger.COLLECTED)


def _what_lacks(facts: Facts) -> str:
    """One sentence that says what is missing here. It names each refused path."""
    broken = [label for label in facts.uncollected if label not in facts.results.pulled]
    why = next((facts.results.errors[label] for label in broken if label in facts.results.errors), "it was not tried")
    texts = [f"not fetched intact: {', '.join(broken)} ({why})"] if broken else []
    texts += [refusal(facts.results.pulled[label]) for label in facts.uncollected if label in facts.results.pulled]
    texts += [facts.what_is_missing] if facts.missing else []
    return "; ".join(texts)


def _may_run(facts: Facts) -> bool:
    """If the ending is not the job's own, the job may still run."""
    if facts.launch.was_stopped:
        return False
    return facts.launch.claim is None or facts.launch.claim.phase in ("running", "claimed")


def _is_given_up(facts: Facts, artifact: Artifact) -> bool:
    return facts.results.fetching.failures.get(artifact.label, 0) >= PULL_TRIES_MAX


def _bounded(facts: Facts, now: Stamp, do: Do) -> Decision:
    cut_short = (Reason.INTERRUPTED, Reason.TERMINATED, Reason.CANCELLED)
    interrupted = facts.request is not None or facts.ending.reason in cut_short
    allowed = INTERRUPTED_COLLECT_SECONDS if interrupted else COLLECT_ALLOWANCE_SECONDS
    since = (facts.process.requested_at if interrupted else None) or facts.results.since or now
    gained = facts.results.fetching.gained_at if not interrupted else None
    if gained is not None and is_before(since, gained):
        if used_up(facts, now) is None:
            since = gained  # as long as a fetch makes progress, wait while the budget lasts
        elif elapsed(since, now) > allowed:
            return _give_up(facts, "the budget is used up while results are still on their way")
    waited = elapsed(since, now) - (0.0 if interrupted else offline_seconds(facts, now))
    if waited > allowed:
        return _give_up(facts, f"not collected within {allowed:.0f} s{_why(facts, do)}")
    return decide_link(facts, now, do)


def _why(facts: Facts, do: Do) -> str:
    error = facts.tried(do.op).error
    return f" ({error})" if error else ""


def _give_up(facts: Facts, why: str) -> Decision:
    """Leave required results that are not here in the pod. If no try can bring more of them, finish."""
    return Fire(Trigger.COLLECT_FAILED, None, why) if facts.is_worth_fetching else _finish(facts)


def _pull(facts: Facts, artifact: Artifact) -> Pull:
    """Remove local files only for the results of a successful job: the results of a failed job are no complete copy. A
    push to a bucket gets the environment of the job, because the keys to the bucket are there.
    """
    has_env = is_away(artifact.local_path)
    is_some = artifact in facts.job.artifacts and is_pattern(artifact.remote_path)
    folder = fixed_folder(artifact.remote_path) if is_some else artifact.remote_path
    return Pull(
        artifact.label,
        artifact.remote_path,
        artifact.local_path,
        artifact.required,
        (*artifact.excludes, *places_within(facts.job, folder)),
        delete=artifact.delete and facts.ending.reason is Reason.JOB_SUCCEEDED,
        env=exports(facts.job) if has_env else {},
        source_files=facts.job.remote_env.source_files if has_env else (),
        links=artifact.links,
        links_max_bytes=int(artifact.links_max_gb * 1e9),
        private=private_places(facts.job),
        is_pattern=is_some,
    )
