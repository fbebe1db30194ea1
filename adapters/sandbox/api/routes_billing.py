"""The routes under /v2/billing, answered from the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rpd.adapters.sandbox.api.answers import document
from rpd.adapters.sandbox.cloud import faults, ledger
from rpd.adapters.sandbox.cloud.bodies import whole_number
from rpd.adapters.sandbox.cloud.cloud_model import CloudModel
from rpd.adapters.sandbox.cloud.model import Pod, Volume
from rpd.adapters.sandbox.cloud.problems import bad_request, unprocessable

BUCKETS_MAX = 9000
"""More than a year of hours."""
_POD_FIELDS = ("totalAmount", "gpuAmount", "cpuAmount", "diskAmount")
_ALL_FIELDS = (
    "totalAmount",
    "podGpuAmount",
    "podCpuAmount",
    "podDiskAmount",
    "serverlessGpuAmount",
    "serverlessCpuAmount",
    "serverlessDiskAmount",
    "serverlessFeeAmount",
    "storageStandardAmount",
    "storageHighPerformanceAmount",
    "endpointAmount",
    "clusterGpuAmount",
    "clusterDiskAmount",
    "clusterNetworkingAmount",
)
_VOLUME_FIELDS = ("totalAmount", "standardAmount", "highPerformanceAmount")


def routes() -> list[Route]:
    """All of them."""
    return [
        Route("/v2/billing", total_billing, methods=["GET"]),
        Route("/v2/billing/pods", pod_billing, methods=["GET"]),
        Route("/v2/billing/network-volumes", volume_billing, methods=["GET"]),
    ]


class Window(msgspec.Struct):
    """The resolved query: buckets that cover it, and how far the bill is written (fault F37 holds it back)."""

    start: datetime
    end: datetime
    size: str
    now: float

    def buckets(self) -> Iterable[tuple[datetime, datetime]]:
        """Its buckets, oldest first."""
        return ledger.buckets(self.start, self.end, self.size)

    def query(self) -> dict[str, Any]:
        """Its echo in the answer."""
        return {"startTime": _rfc(self.start), "endTime": _rfc(self.end), "bucketSize": self.size}


async def pod_billing(request: Request) -> Response:
    """One record per pod and bucket in which it cost something."""
    cloud: CloudModel = request.app.state.cloud
    window = _window(cloud, request)
    wanted = request.query_params.get("podId")
    pods = [pod for pod in cloud.newest_first() if wanted in (None, pod.id)]
    records = await run_in_threadpool(_pod_records, window, pods)
    query = window.query() | {"podId": wanted}
    unique = len({record["podId"] for record in records})
    return document(_answer(records, query, _POD_FIELDS, {"uniquePodCount": unique}))


def _pod_records(window: Window, pods: list[Pod]) -> list[dict[str, Any]]:
    records = []
    for start, end in window.buckets():
        for pod in pods:
            part = ledger.amounts(pod, start.timestamp(), end.timestamp(), window.now)
            if part.total > 0:
                amounts = dict(zip(_POD_FIELDS, (part.total, part.gpu, part.cpu, part.disk), strict=True))
                records.append({**_range(start, end), "podId": pod.id, **amounts})
    return records


async def volume_billing(request: Request) -> Response:
    """One record per network volume and bucket."""
    cloud: CloudModel = request.app.state.cloud
    window = _window(cloud, request)
    wanted = request.query_params.get("networkVolumeId")
    volumes = [volume for volume in cloud.state.volumes.values() if wanted in (None, volume.id)]
    records = await run_in_threadpool(_volume_records, window, volumes)
    query = window.query() | {"networkVolumeId": wanted}
    unique = len({record["networkVolumeId"] for record in records})
    return document(_answer(records, query, _VOLUME_FIELDS, {"uniqueNetworkVolumeCount": unique}))


def _volume_records(window: Window, volumes: list[Volume]) -> list[dict[str, Any]]:
    records = []
    for start, end in window.buckets():
        for volume in volumes:
            cost = ledger.volume_amount(volume, start.timestamp(), end.timestamp(), window.now)
            if cost > 0:
                standard = cost if volume.type == "STANDARD" else 0.0
                amounts = dict(zip(_VOLUME_FIELDS, (cost, standard, cost - standard), strict=True))
                records.append({**_range(start, end), "networkVolumeId": volume.id, **amounts})
    return records


async def total_billing(request: Request) -> Response:
    """One record per bucket over everything."""
    cloud: CloudModel = request.app.state.cloud
    window = _window(cloud, request)
    pods, volumes = list(cloud.state.pods.values()), list(cloud.state.volumes.values())
    records = await run_in_threadpool(_total_records, window, pods, volumes)
    return document(_answer(records, window.query(), _ALL_FIELDS, {}))


def _total_records(window: Window, pods: list[Pod], volumes: list[Volume]) -> list[dict[str, Any]]:
    records = []
    for start, end in window.buckets():
        amounts = dict.fromkeys(_ALL_FIELDS, 0.0)
        for pod in pods:
            part = ledger.amounts(pod, start.timestamp(), end.timestamp(), window.now)
            amounts["podGpuAmount"] += part.gpu
            amounts["podCpuAmount"] += part.cpu
            amounts["podDiskAmount"] += part.disk
        for volume in volumes:
            kind = "storageStandardAmount" if volume.type == "STANDARD" else "storageHighPerformanceAmount"
            amounts[kind] += ledger.volume_amount(volume, start.timestamp(), end.timestamp(), window.now)
        amounts["totalAmount"] = sum(amounts.values())
        records.append({**_range(start, end), **amounts})
    return records


def _answer(
    records: list[dict[str, Any]], query: dict[str, Any], fields: Iterable[str], counts: dict[str, int]
) -> dict[str, Any]:
    totals = {field: sum(record[field] for record in records) for field in fields}
    metadata = {"query": query, "recordCount": len(records), **counts, "totals": totals}
    return {"records": records, "metadata": metadata}


def _window(cloud: CloudModel, request: Request) -> Window:
    params = request.query_params
    size = params.get("bucketSize", "day")
    if size not in ledger.WIDTHS:
        raise unprocessable(f"bucketSize: value must be one of {', '.join(ledger.WIDTHS)}")
    try:
        start, end = _bounds(datetime.fromtimestamp(cloud.now(), UTC), size, params)
    except (OverflowError, ValueError) as error:
        raise unprocessable("startTime, endTime: out of the range of dates") from error
    if end - start > BUCKETS_MAX * ledger.WIDTHS[size]:
        raise unprocessable(f"from startTime to endTime are more than {BUCKETS_MAX} buckets of one {size}")
    lag = faults.strike(cloud.state, "F37")
    billed_until = cloud.now() - (faults.number(lag, "lag", 3600.0) if lag is not None else 0.0)
    return Window(start, end, size, billed_until)


def _bounds(now: datetime, size: str, params: QueryParams) -> tuple[datetime, datetime]:
    last = params.get("lastN")
    if last is not None:
        if "startTime" in params or "endTime" in params:
            raise bad_request("lastN and startTime/endTime are mutually exclusive")
        count = whole_number("lastN", last, 1, BUCKETS_MAX)
        current = ledger.floor(now, size)
        return ledger.advance(current, size, 1 - count), ledger.advance(current, size)
    start = ledger.floor(_moment(params.get("startTime"), now - timedelta(days=30)), size)
    end = _moment(params.get("endTime"), now).astimezone(UTC)
    snapped = ledger.floor(end, size)
    return start, end if snapped == end else ledger.advance(snapped, size)


def _moment(text: str | None, default: datetime) -> datetime:
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise unprocessable(f"'{text}' is not a date-time") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _range(start: datetime, end: datetime) -> dict[str, Any]:
    return {"startTime": _rfc(start), "endTime": _rfc(end)}


def _rfc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
