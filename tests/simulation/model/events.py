"""What happens in the world without anybody asking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.simulation.model.truth import JobLife, PodStatus, PodTruth, changed, halted


class Event(NamedTuple):
    """One thing that may happen to one pod. `is_fair`: nobody would call it a failure."""

    word: str
    after: PodTruth
    is_fair: bool = False


def by_itself(pod: PodTruth, *, is_current: bool) -> Iterator[Event]:
    """Everything that may happen to this pod now. Of one that is not in hand any more, only its late birth matters."""
    if pod.life is PodStatus.LATE:
        yield Event(f"the late create of {pod.id} works", changed(pod, life=PodStatus.RUNNING), True)
        yield Event(f"the late create of {pod.id} never works", changed(pod, life=PodStatus.GONE), True)
    if pod.is_others:
        return
    if not is_current or pod.life is not PodStatus.RUNNING:
        return
    if pod.job is JobLife.RUNNING:
        yield Event("the job ends well", changed(pod, job=JobLife.DONE), True)
        yield Event("the job ends badly", changed(pod, job=JobLife.FAILED), True)
        yield Event("the job vanishes", changed(pod, job=JobLife.LOST))
    if pod.person and pod.is_up:
        anew = changed(halted(pod), life=PodStatus.RUNNING, is_up=True, container=pod.container + 1)
        yield Event("somebody has the container made anew", anew)
    yield Event("the switch in the pod fires" if pod.is_armed else "the pod stops by itself", halted(pod))
    yield Event("the pod vanishes", halted(pod, PodStatus.GONE))
