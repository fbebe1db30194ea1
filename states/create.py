"""create: rent a pod."""

from __future__ import annotations

import math

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Do, Fire, Wait
from rpd.journal.records import DebtChange, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import Candidate
from rpd.states.operations.pod import CANDIDATE_REFUSALS, CreatePod
from rpd.states.policy import cost
from rpd.states.policy.outage import PATIENCE_SECONDS, is_offline, pause_left
from rpd.states.policy.rules import COLLECT_ALLOWANCE_SECONDS, time_limit_seconds
from rpd.states.policy.twin import MAKER, maker
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.ports.world import PodOrder
from rpd.states.select import NO_STOCK, choose, usd_per_hour

ABSENT_CREATES_MAX = 3
"""After so many creates that had no answer and left no pod, the cloud is out of order, not the candidate."""
RESEND_SECONDS = 300.0
"""How long rpd repeats a create that was provably not sent or was refused by the rate limit."""

FATAL = {
    "no_credit": Reason.NO_CREDIT,
    "key_refused": Reason.KEY_REFUSED,
    "forbidden": Reason.KEY_REFUSED,
    "blocked": Reason.KEY_REFUSED,
}


def decide(facts: Facts, now: Stamp) -> Decision:
    """Create a pod under a fresh name. A refusal leads to the next candidate, a fatal error to the end."""
    pod = facts.pod
    if pod is None:
        return _create(facts, now)
    if pod.id is not None:
        return Fire(Trigger.POD_CREATED)
    error, tries = pod.origin.create_error, facts.tried(Op.CREATE_POD)
    if error is None:
        reason = Reason.KEY_REFUSED if tries.reason in FATAL else Reason.CLOUD_UNREACHABLE
        return Fire(Trigger.CREATE_FAILED, reason, f"it is not known whether a pod was created ({tries.error})")
    if facts.absent_creates >= ABSENT_CREATES_MAX:
        return Fire(Trigger.CREATE_FAILED, Reason.CLOUD_UNREACHABLE, tries.error)
    if error in CANDIDATE_REFUSALS:
        return Fire(Trigger.CREATE_REFUSED, error, tries.error)
    if error in FATAL:
        return Fire(Trigger.CREATE_FAILED, FATAL[error], tries.error)
    if error not in ("not_sent", "rate_limited"):
        return Fire(Trigger.CREATE_FAILED, Reason.CREATE_REJECTED, tries.error)
    return _again(facts, now)


def _again(facts: Facts, now: Stamp) -> Decision:
    """The request never arrived, or the cloud refused it unread: try the same candidate under the next name."""
    tries = facts.tried(Op.CREATE_POD)
    since = tries.since or now
    if elapsed(since, now) > RESEND_SECONDS and not is_offline(facts):
        return Fire(Trigger.CREATE_FAILED, Reason.CLOUD_UNREACHABLE, tries.error)
    left = pause_left(facts, Op.CREATE_POD, now, first=1.0, cap=30.0)
    if left:
        patience = PATIENCE_SECONDS if is_offline(facts) else RESEND_SECONDS
        return Wait(left, f"the cloud ({tries.error})", since.wall + patience)
    return _create(facts, now)


def _create(facts: Facts, now: Stamp) -> Decision:
    candidate = choose(facts, now)
    if candidate is None:  # a candidate without stock counts only while the run waits for stock
        return Fire(Trigger.CREATE_REFUSED, NO_STOCK, "the wait for stock is over")
    attempt = len(facts.pods) + 1
    name = f"{facts.name_prefix}{attempt}"
    rate = usd_per_hour(facts, candidate) or facts.job.budget.assumed_hourly_rate_usd
    with_disks = rate + cost.running_disk_usd_per_hour(facts.job.pod.container_disk_gb, facts.volume_gb)
    limit_at = now.wall + time_limit_seconds(facts, with_disks) + COLLECT_ALLOWANCE_SECONDS
    order = _order(facts, candidate, name, limit_at)
    create = CreatePod(order, candidate, rate, facts.run_id, facts.profile.quiet_window_seconds)
    return Do(create, attempt, (DebtChange(name, "compute", "open", usd_per_hour=rate),))


def _order(facts: Facts, candidate: Candidate, name: str, limit_at: float) -> PodOrder:
    job = facts.job
    network = job.storage.mode == "network_volume"
    return PodOrder(
        name=name,
        image=job.pod.image,
        gpu_id="" if job.pod.cpu_order else candidate.gpu_id,
        gpu_count=0 if job.pod.cpu_order else job.pod.gpu_count,
        cpu_id=candidate.gpu_id if job.pod.cpu_order else None,
        vcpu_count=job.pod.units if job.pod.cpu_order else 0,
        args=job.pod.args,
        template_id=job.pod.template_id,
        registry_id=job.pod.registry_id,
        min_cuda_version=job.pod.min_cuda_version,
        allowed_cuda_versions=job.pod.allowed_cuda_versions or (),
        min_memory_gb_per_gpu=_per_gpu(job.pod.min_memory_gb, job.pod.gpu_count),
        min_vcpus_per_gpu=_per_gpu(job.pod.min_vcpu_count, job.pod.gpu_count),
        cloud=candidate.cloud,
        datacenter_ids=(candidate.datacenter_id,) if candidate.datacenter_id else candidate.others,
        disk_gb=job.pod.container_disk_gb,
        env={
            **job.pod.env,
            "RPD_RUN_ID": facts.run_id,
            "RPD_OWNER": f"{facts.opened.user}@{facts.opened.host}",
            "RPD_LIMIT_AT": str(int(limit_at)),
            MAKER: maker(facts),
        },
        ports=job.pod.ports if "22/tcp" in job.pod.ports else ("22/tcp", *job.pod.ports),
        volume_gb=None if network else facts.volume_gb,
        volume_path=job.storage.volume_mount,
        network_volume_id=facts.names.volume_id if network else None,
    )


def _per_gpu(total: int | None, gpus: int) -> int | None:
    """The cloud takes its minimum for one GPU. The value is rounded up, so that the minimum holds for the whole pod."""
    return None if total is None else math.ceil(total / gpus)
