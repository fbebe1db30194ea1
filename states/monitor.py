"""monitor: the job runs. rpd follows its log over one channel and reads its end from the claim folder."""

from __future__ import annotations

from rpd.engine.deadline import elapsed, is_before
from rpd.engine.decision import Decision, Fire, Look
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import job_ref, target
from rpd.states.operations.job import ReadClaim, WatchJob
from rpd.states.operations.pod import ReadPod
from rpd.states.policy.rules import budget_seconds_left
from rpd.states.policy.verdict import decide_lost, job_reason, marker_reason
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.shared.checkpoints import decide_pull
from rpd.states.shared.link import POD_LOOK_SECONDS, decide_link, only_ask
from rpd.states.shared.notice import WARN_AT
from rpd.states.shared.telemetry import decide_idle

WATCH_SECONDS = 15.0
"""How long one look follows the log before rpd looks at the pod and the requests again. A budget that ends sooner
shortens it.
"""
WATCH_SECONDS_MIN = 0.5


def decide(facts: Facts, now: Stamp) -> Decision:
    """Follow the log until the claim says that the job has ended or is lost."""
    claim = facts.launch.claim
    if claim is not None and facts.launch.claim_is_fresh and claim.phase == "ended":
        return Fire(Trigger.JOB_ENDED, job_reason(facts))
    if claim is not None and facts.launch.claim_is_fresh and claim.phase in ("lost", "none"):
        return decide_lost(facts)
    marker = marker_reason(facts)
    if marker is not None and claim is not None and claim.phase == "running":
        return Fire(Trigger.JOB_ENDED, marker, f"its log says {', '.join(map(repr, facts.launch.markers_seen))}")
    if facts.request == "gc":
        return only_ask(facts, now)
    watch, asked = facts.tried(Op.WATCH_JOB), facts.tried(Op.READ_POD).at or facts.progress.entered
    if not watch.failures and asked is not None and elapsed(asked, now) > POD_LOOK_SECONDS:
        return Look(ReadPod.in_hand(facts))
    pod = facts.pod
    if facts.tried(Op.READ_POD).at is not None and pod is not None and pod.is_seen_stopped:
        return Fire(Trigger.POD_STOPPED, Reason.POD_STOPPED)
    checkpoint = decide_pull(facts, now)
    if checkpoint is not None:
        return checkpoint
    idle = decide_idle(facts, now)
    if idle is not None:
        return idle
    until = 1.0 if "budget" in facts.report.noticed else WARN_AT
    seconds = min(WATCH_SECONDS, max(WATCH_SECONDS_MIN, budget_seconds_left(facts, now, until)))
    if watch.failures and watch.reason == Fault.LOCAL_DISK and not _is_asked_since(facts):
        # A full disk here must not keep a pod whose job has ended.
        return decide_link(facts, now, Look(ReadClaim(target(facts), job_ref(facts))))
    is_background = claim is not None and bool(claim.waits_for)
    look = WatchJob(target(facts), job_ref(facts), facts.local_log, seconds, is_background)
    return decide_link(facts, now, Look(look))


def _is_asked_since(facts: Facts) -> bool:
    asked, watched = facts.tried(Op.READ_CLAIM).at, facts.tried(Op.WATCH_JOB).at
    return asked is not None and watched is not None and is_before(watched, asked)
