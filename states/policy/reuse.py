"""Which pods may serve a second run, and whether one is still what the job file asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rpd.journal.records import Data, Outcome, Record
from rpd.states.facts import Facts
from rpd.states.facts.pod import PodFacts
from rpd.states.policy import cost
from rpd.states.policy.naming import is_same_name
from rpd.states.ports.job import GpuChoice, Job
from rpd.states.ports.names import Op, Reason
from rpd.states.ports.names import RunOutcome as Ending
from rpd.states.ports.world import Paused

CHOICES = ("gpu_order", "cpu_order", "datacenters", "cloud_type", "env")
"""Fields of the order that name several possibilities, or (env) values of no matter: they are compared by what they
mean for the pod at hand."""
UNHAD = ("spot",)
"""Fields that can hold nothing."""


def shape(job: Job) -> Data:
    """What a pod is ordered as, beside the place it was found in: everything in `pod` and `storage` that another pod
    would have to share. Env is represented by its names: values change from run to run."""
    pod = {name: value for name, value in msgspec.to_builtins(job.pod).items() if name not in CHOICES + UNHAD}
    storage = msgspec.to_builtins(job.storage)
    return {
        **{f"pod.{name}": value for name, value in pod.items()},
        "pod.ports": sorted(job.pod.ports),
        "pod.env": sorted(job.pod.env),
        **{f"storage.{name}": value for name, value in storage.items()},
    }


def drift(paused: Paused, job: Job) -> tuple[str, ...]:
    """How the pod differs from what the job asks for, one line per difference: `pod.image: old -> new`. A GPU type or
    data center is no difference while it is among those the job names, be it by the word that meant it when the pod was
    rented: the catalog is not read for this."""
    wanted = shape(job)
    lines = [
        f"{name}: {_show(paused.shape.get(name))} -> {_show(wanted.get(name))}"
        for name in sorted({*paused.shape, *wanted})
        if paused.shape.get(name) != wanted.get(name)
    ]
    if not any(_is_of(paused, each) for each in job.pod.hardware):
        field = "cpu_order" if job.pod.cpu_order else "gpu_order"
        lines.append(f"pod.{field}: {paused.gpu_id} -> {_show(list(job.pod.hardware))}")
    place = paused.datacenter_id
    if job.pod.datacenters and place is not None and not any(_is_in(paused, each) for each in job.pod.datacenters):
        lines.append(f"pod.datacenters: {paused.datacenter_id} -> {_show(list(job.pod.datacenters))}")
    if paused.cloud != job.pod.cloud_type:
        lines.append(f"pod.cloud_type: {paused.cloud} -> {job.pod.cloud_type}")
    return tuple(lines)


def _is_of(paused: Paused, wanted: str | GpuChoice) -> bool:
    return str(wanted) in (paused.gpu_id, *paused.asked) or is_same_name(str(wanted), paused.gpu_id)


def _is_in(paused: Paused, wanted: str) -> bool:
    return wanted in (paused.datacenter_id, *paused.asked)


def _show(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def paused_pods(facts: Facts) -> tuple[Paused, ...]:
    """Pods that this finished run keeps for the next one: the pod of a success, by the word of its config, and one that
    it had taken up itself and never used. A pod in which anything failed or was cut off, or which holds results that
    are nowhere else, is none."""
    if facts.report.outcome is None:
        return ()
    return tuple(_paused(facts, pod) for pod in facts.pods.values() if _may_serve_again(facts, pod))


def _may_serve_again(facts: Facts, pod: PodFacts) -> bool:
    if pod.id is None or pod.is_gone or pod.released_as != "stop" or pod.name not in facts.debts.storage:
        return False
    if pod.origin.taken is not None and not pod.was_used:
        return True
    is_good = facts.report.outcome == Ending.SUCCEEDED and facts.job.lifecycle.on_success == "recycle"
    return is_good and pod.name == facts.current and not facts.left_behind  # which the next run may overwrite


def _paused(facts: Facts, pod: PodFacts) -> Paused:
    since = pod.released_at.wall if pod.released_at is not None else 0.0
    common = {"journal": facts.opened.journal_path, "run_id": facts.run_id}
    if pod.origin.taken is not None:  # it is as it was ordered first, whatever this run would have ordered
        return msgspec.structs.replace(pod.origin.taken, **common, since=since or pod.origin.taken.since)
    assert pod.id is not None, "checked before"
    candidate = pod.origin.candidate
    place = (pod.seen.datacenter_id if pod.seen is not None else None) or candidate.datacenter_id
    return Paused(
        **common,
        born_run=facts.run_id,
        pod_id=pod.id,
        pod_name=pod.name,
        gpu_id=candidate.gpu_id,
        cloud=candidate.cloud,
        usd_per_hour=pod.usd_per_hour,
        shape=shape(facts.job),
        datacenter_id=place,
        since=since,
        asked=tuple(word for word, ids in facts.names.meant.items() if {candidate.gpu_id, place} & set(ids)),
    )


def stopped_usd_per_hour(paused: Paused) -> float:
    """What its volume costs while it is stopped."""
    is_network = paused.shape.get("storage.mode") == "network_volume"
    return round(cost.stopped_usd_per_hour(0 if is_network else int(paused.shape.get("storage.volume_gb") or 0)), 6)


def adopted(facts: Facts) -> dict[str, str]:
    """Pod id to the run that its env names, for pods that were taken over from another run."""
    taken = (pod.origin.taken for pod in facts.pods.values())
    return {each.pod_id: each.born_run for each in taken if each is not None}


def adopted_in(records: Iterable[Record]) -> dict[str, str]:
    """The same, read from the records themselves."""
    found = {}
    for record in records:
        body = record.body
        if isinstance(body, Outcome) and body.op == Op.TAKE_OVER and body.status == "ok":
            found[str(body.data["paused"]["pod_id"])] = str(body.data["paused"]["born_run"])
    return found


def is_fresh_wanted(facts: Facts) -> bool:
    """A person asked for a fresh pod, and for the end of a paused one."""
    return facts.options.fresh


def on_drift(facts: Facts) -> str:
    """What becomes of a pod that is not what the job asks for: a person's answer, else the config's word."""
    return facts.options.on_drift or facts.job.lifecycle.on_drift


def how_to_leave(facts: Facts, pod: PodFacts) -> str:
    """Stop or delete a pod that was taken up and is not the one in hand. What a fresh pod has replaced is deleted; one
    that could not be started stays for the next run, unless this one leaves a better."""
    if pod.origin.is_unwanted:
        is_replaced = any(other.origin.taken is None and other.id is not None for other in facts.pods.values())
        return "delete" if is_replaced or is_fresh_wanted(facts) else "stop"
    hand = facts.pod
    is_superseded = hand is not None and hand is not pod and hand.released_as == "stop" and not facts.holds_last
    return "delete" if is_superseded and facts.ending.reason is Reason.JOB_SUCCEEDED else "stop"
