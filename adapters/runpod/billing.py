"""The cost of a pod, from the provider's own books. The last hours are filled in late, by an unknown time."""

from __future__ import annotations

import msgspec

from rpd.adapters.runpod.answer import Unreadable
from rpd.adapters.runpod.client import RunPodClient


class PodBill(msgspec.Struct, frozen=True):
    """Amounts in USD over all time buckets of the books. `records` is the number of buckets (0: nothing booked yet)."""

    pod_id: str
    total_usd: float
    gpu_usd: float
    cpu_usd: float
    disk_usd: float
    records: int


class _Record(msgspec.Struct, rename="camel"):
    pod_id: str
    total_amount: float
    gpu_amount: float | None = None
    cpu_amount: float | None = None
    disk_amount: float | None = None


class _Books(msgspec.Struct):
    records: list[_Record]


def pod_bill(client: RunPodClient, pod_id: str, *, since: str | None = None) -> PodBill:
    """Read what is booked for a pod since `since` (RFC 3339; None: the last 30 days). Raises Refused or Unavailable."""
    params = {"podId": pod_id, "bucketSize": "hour"}
    if since is not None:
        params["startTime"] = since
    books = client.get("/v2/billing/pods", _books, params)
    # A server that does not know the filter answers with the records of all pods.
    ours = [record for record in books.records if record.pod_id == pod_id]
    return PodBill(
        pod_id=pod_id,
        total_usd=sum(record.total_amount for record in ours),
        gpu_usd=sum(record.gpu_amount or 0.0 for record in ours),
        cpu_usd=sum(record.cpu_amount or 0.0 for record in ours),
        disk_usd=sum(record.disk_amount or 0.0 for record in ours),
        records=len(ours),
    )


def _books(body: bytes) -> _Books:
    try:
        return msgspec.json.decode(body, type=_Books, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    raise Unreadable("it is not a bill")
