"""What pods and volumes cost: pure arithmetic over spans, from the accepted create to the accepted stop or delete."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from rpd.adapters.sandbox.cloud.model import Pod, Span, State, Volume

HOURS_PER_MONTH = 730.0
RUNNING_DISK_RATE = 0.10 / HOURS_PER_MONTH
STOPPED_DISK_RATE = 0.20 / HOURS_PER_MONTH
NETWORK_VOLUME_RATE = 0.07 / HOURS_PER_MONTH
LARGE_VOLUME_RATE = 0.05 / HOURS_PER_MONTH
LARGE_VOLUME_GB = 1024
"""What a volume holds beyond this has the lower rate."""


class Amounts(msgspec.Struct):
    """Dollars by component."""

    gpu: float = 0.0
    cpu: float = 0.0
    disk: float = 0.0

    @property
    def total(self) -> float:
        return self.gpu + self.cpu + self.disk


def open_compute(pod: Pod, now: float) -> None:
    """The pod bills compute and its running disks from `now`; whatever billed before ends."""
    close(pod, now)
    disk_rate = (pod.disk + (pod.persistent_gb or 0)) * RUNNING_DISK_RATE
    pod.spans.append(Span(since=now, kind="compute", compute_rate=pod.compute_rate, disk_rate=disk_rate))


def open_storage(pod: Pod, now: float) -> None:
    """The pod is stopped: only its volume disk bills, at twice the rate."""
    close(pod, now)
    disk_rate = (pod.persistent_gb or 0) * STOPPED_DISK_RATE
    pod.spans.append(Span(since=now, kind="storage", compute_rate=0.0, disk_rate=disk_rate))


def close(pod: Pod, now: float) -> None:
    """Nothing of this pod bills from `now`."""
    for span in pod.spans:
        if span.until is None:
            span.until = now


def billed_seconds(pod: Pod, now: float) -> float:
    """Seconds of compute this pod was billed for, up to `now`."""
    return sum(_length(span, span.since, now, now) for span in pod.spans if span.kind == "compute")


def spent(state: State, now: float) -> float:
    """Dollars spent by all pods and network volumes so far."""
    pods = sum(amounts(pod, 0.0, now, now).total for pod in state.pods.values())
    return pods + sum(volume_amount(volume, 0.0, now, now) for volume in state.volumes.values())


def balance(state: State, now: float) -> float:
    """Dollars left in the account."""
    return state.deposited_usd - spent(state, now)


def usd_per_hour(state: State) -> float:
    """Dollars an hour that all pods and network volumes cost now."""
    spans = [span for pod in state.pods.values() for span in pod.spans if span.until is None]
    volumes = sum(volume_rate(volume.size) for volume in state.volumes.values() if volume.until is None)
    return sum(span.compute_rate + span.disk_rate for span in spans) + volumes


def amounts(pod: Pod, since: float, until: float, now: float) -> Amounts:
    """What the pod cost between two moments."""
    result = Amounts()
    for span in pod.spans:
        hours = _length(span, since, until, now) / 3600
        result.disk += hours * span.disk_rate
        if pod.gpu_id is None:
            result.cpu += hours * span.compute_rate
        else:
            result.gpu += hours * span.compute_rate
    return result


def volume_amount(volume: Volume, since: float, until: float, now: float) -> float:
    """What a network volume cost between two moments, at the sizes it had."""
    end = min(until, volume.until if volume.until is not None else now)
    total, start = 0.0, volume.since
    for ended, size in (*volume.earlier, (end, volume.size)):
        total += max(0.0, min(end, ended) - max(since, start)) / 3600 * volume_rate(size)
        start = ended
    return total


def volume_rate(size: int) -> float:
    """Dollars an hour for a network volume of so many GB."""
    return min(size, LARGE_VOLUME_GB) * NETWORK_VOLUME_RATE + max(0, size - LARGE_VOLUME_GB) * LARGE_VOLUME_RATE


def buckets(start: datetime, end: datetime, size: str) -> Iterable[tuple[datetime, datetime]]:
    """The time buckets that cover [start, end), snapped outward to their bounds."""
    at = floor(start, size)
    while at < end:
        following = advance(at, size)
        yield at, following
        at = following


WIDTHS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=28),
    "year": timedelta(days=365),
}
"""The sizes of buckets, and how long one is at least."""


def floor(moment: datetime, size: str) -> datetime:
    """The start of the bucket that holds this moment."""
    moment = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if size == "hour":
        return moment
    moment = moment.replace(hour=0)
    if size == "week":
        return moment - timedelta(days=moment.weekday())
    if size == "month":
        return moment.replace(day=1)
    if size == "year":
        return moment.replace(month=1, day=1)
    return moment


def advance(bucket: datetime, size: str, count: int = 1) -> datetime:
    """The start of the bucket `count` after this one (before it, when negative)."""
    if size == "month":
        months = bucket.year * 12 + bucket.month - 1 + count
        return bucket.replace(year=months // 12, month=months % 12 + 1)
    if size == "year":
        return bucket.replace(year=bucket.year + count)
    return bucket + WIDTHS[size] * count


def _length(span: Span, since: float, until: float, now: float) -> float:
    end = span.until if span.until is not None else now
    return max(0.0, min(end, until, now) - max(span.since, since))  # what ended lately is not in a late bill, either
