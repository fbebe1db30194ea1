"""Which pods may serve a second run, and whether a pod still is what the job file asks for. Pure."""

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
"""Fields of the order that name several possibilities, or (env) whose values do not matter. They are compared by what
they mean for this pod.
"""
UNHAD = ("spot",)
"""Fields that can hold nothing."""


def shape(job: Job) -> Data:
    """The order of a pod without the place where it was found: everything in `pod` and `storage` that another pod must
    share. The shape holds only the names of env, because its values change from run to run.
    """
    pod = {name: value for name, value in msgspec.to_builtins(job.pod).items() if name not in CHOICES + UNHAD}
    storage = msgspec.to_builtins(job.storage)
    return {
        **{f"pod.{name}": value for name, value in pod.items()},
        "pod.ports": sorted(job.pod.ports),
        "pod.env": sorted(job.pod.env),
        **{f"storage.{name}": value for name, value in storage.items()},
    }


def drift(paused: Paused, job: Job) -> tuple[str, ...]:
    """How the pod differs from what the job asks for, one line for each difference: `pod.image: old -> new`.

    A GPU type or data center is no difference if the job names it. The name that meant it when the pod was rented
    counts, too: the catalog is not read for this.
    """
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
    """Pods that this finished run keeps for the next one: the pod of a success, if the config says so, and a pod that
    it took up and never used.

    A pod is not kept if something failed in it or was cut off, or if it holds results that are nowhere else.
    """
    if facts.report.outcome is None:
        return ()
    return tuple(_paused(facts, pod) for pod in facts.pods.values() if _may_serve_again(facts, pod))


def _may_serve_again(facts: Facts, pod: PodFacts) -> bool:
    if pod.id is None or pod.is_gone or pod.released_as != "stop" or pod.name not in facts.debts.storage:
        return False
    if pod.origin.paused is not None and not pod.was_used:
        return True
    is_good = facts.report.outcome == Ending.SUCCEEDED and facts.job.lifecycle.on_success == "recycle"
    return is_good and pod.name == facts.current and not facts.left_behind  # which the next run may overwrite


def _paused(facts: Facts, pod: PodFacts) -> Paused:
    since = pod.released_at.wall if pod.released_at is not None else 0.0
    common = {"journal": facts.opened.journal_path, "run_id": facts.run_id}
    if pod.origin.paused is not None:  # its first order counts, not the order of this run
        return msgspec.structs.replace(pod.origin.paused, **common, since=since or pod.origin.paused.since)
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
    """The cost of its volume while it is stopped."""
    is_network = paused.shape.get("storage.mode") == "network_volume"
    return round(cost.stopped_usd_per_hour(0 if is_network else int(paused.shape.get("storage.volume_gb") or 0)), 6)


def handed_over_pods(facts: Facts) -> dict[str, str]:
    """The id of each pod that another run handed over, and the run that its env names."""
    paused = (pod.origin.paused for pod in facts.pods.values())
    return {each.pod_id: each.born_run for each in paused if each is not None}


def handed_over_in(records: Iterable[Record]) -> dict[str, str]:
    """The same, read from the records themselves."""
    found = {}
    for record in records:
        body = record.body
        if isinstance(body, Outcome) and body.op == Op.HAND_OVER and body.status == "ok":
            found[str(body.data["paused"]["pod_id"])] = str(body.data["paused"]["born_run"])
    return found


def is_fresh_wanted(facts: Facts) -> bool:
    """A person asked for a fresh pod, and for the end of a paused pod."""
    return facts.options.fresh


def on_drift(facts: Facts) -> str:
    """What becomes of a pod that differs from the job's order: a person's answer, else the config."""
    return facts.options.on_drift or facts.job.lifecycle.on_drift


def how_to_leave(facts: Facts, pod: PodFacts) -> str:
    """Stop or delete a pod that was taken up and is not the pod in hand. A pod is deleted if a fresh pod has replaced
    it. A pod that could not be started stays for the next run, unless this run leaves a better one.
    """
    if pod.origin.is_unwanted:
        is_replaced = any(other.origin.paused is None and other.id is not None for other in facts.pods.values())
        return "delete" if is_replaced or is_fresh_wanted(facts) else "stop"
    hand = facts.pod
    is_superseded = hand is not None and hand is not pod and hand.released_as == "stop" and not facts.holds_last
    return "delete" if is_superseded and facts.ending.reason is Reason.JOB_SUCCEEDED else "stop"
