"""RunPod as the port `Cloud`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from msgspec import Raw

from rpd.adapters.runpod import market, orders, wire
from rpd.adapters.runpod.client import RunPodClient
from rpd.adapters.runpod.errors import Kind
from rpd.adapters.runpod.podlog import LogEvent, log_events, pod_log
from rpd.engine.errors import Refused, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.volume import Volume
from rpd.states.ports.world import DataCenter, Offer, Pod, PodLog, PodOrder

CLOUDS = ("SECURE", "COMMUNITY")
MOST_PAGES = 200
LOG_SECONDS = 5.0
LOG_QUIET_SECONDS = 1.0
MOST_LOG_LINES = 5000

T = TypeVar("T")


class RunPodCloud:
    """Pods, offers and volumes of one account. Used by one thread at a time, like its client."""

    def __init__(self, client: RunPodClient) -> None:
        self._client = client

    def __repr__(self) -> str:
        return f"RunPodCloud({self._client.base_url!r})"

    def create(self, order: PodOrder) -> Pod:
        """Effect, not idempotent: rent a pod. Sent once, and again only after a 429."""
        return self._client.create("/v2/pods", orders.create_body(order), wire.pod)

    def get(self, pod_id: str) -> Pod | None:
        """Read one pod. None if the API itself says that there is none, which proves nothing for a young pod."""
        try:
            return self._client.get(orders.pod_path(pod_id), wire.pod)
        except Refused as refusal:
            if refusal.reason != Fault.NOT_FOUND:
                raise
            return None

    def list(self) -> tuple[Pod, ...]:
        """Read all pods of the account, all pages. One unreadable pod makes the whole list unreadable: without that
        pod, the list would prove a false absence."""
        pods = self._pages("/v2/pods", "pods", wire.pod)
        return tuple({pod.id: pod for pod in pods}.values())

    def list_with_use(self) -> tuple[tuple[Pod, float | None], ...]:
        """The same, each pod with the present use of its GPUs in percent, as far as known."""
        found = self._pages("/v2/pods", "pods", wire.pod_and_use)
        return tuple({pod.id: (pod, use) for pod, use in found}.values())

    def start(self, pod_id: str) -> None:
        """Effect: start a stopped pod. Refused with `start_refused` if its host has no free GPU."""
        self._act(Kind.START, pod_id, "start", done=("PROVISIONING", "STARTING", "RUNNING"))

    def stop(self, pod_id: str) -> None:
        """Effect, idempotent: stop a pod. An already stopped pod counts as done."""
        self._act(Kind.STOP, pod_id, "stop", done=("EXITED", "TERMINATED"))

    def delete(self, pod_id: str) -> None:
        """Effect, idempotent: delete a pod. 404 counts as accepted, never as proof."""
        try:
            self._client.delete(orders.pod_path(pod_id))
        except Refused as refusal:
            if refusal.reason != Fault.NOT_FOUND:
                raise self._explained(refusal, pod_id) from None

    def offers(self, gpu_count: int) -> tuple[Offer, ...]:
        """Read list prices for one GPU and stock for `gpu_count`: one entry per GPU type and cloud, sold or not."""
        return tuple(offer for cloud in CLOUDS for offer in self._offers(cloud, gpu_count) if offer is not None)

    def cpu_offers(self) -> tuple[Offer, ...]:
        """Read list prices per vCPU and stock of all CPU flavors. They belong to the SECURE cloud."""
        params = {"include": "AVAILABILITY", "product": "POD"}
        found = self._pages("/v2/catalog/cpus", "cpus", wire.cpu_offer, params)
        return tuple(offer for offer in found if offer is not None)

    def gpu_types(self) -> tuple[market.GpuType, ...]:
        """Read list prices and stock of single GPUs: each type that is sold, with its offers in both clouds."""
        return market.merged(
            each
            for cloud in CLOUDS
            for each in self._pages(
                "/v2/catalog/gpus", "gpus", functools.partial(market.gpu_type, cloud=cloud), _stock_params(cloud, 1)
            )
        )

    def network_volume_id(self, name: str) -> str | None:
        """Read: the id of the network volume with this id or name. Refused (`conflict`) if the name is not unique."""
        volumes = self.volumes()
        if any(volume.id == name for volume in volumes):
            return name
        named = sorted({volume.id for volume in volumes if volume.name == name})
        if len(named) > 1:
            raise Refused(
                f"{len(named)} network volumes have this name; use the id of one ({', '.join(named)})",
                reason=Fault.CONFLICT,
            )
        return named[0] if named else None

    def volumes(self) -> tuple[Volume, ...]:
        """Read: all network volumes of the account."""
        return self._pages("/v2/network-volumes", "networkVolumes", wire.volume)

    def volume(self, volume_id: str) -> Volume | None:
        """Read one network volume. None if the API itself says that there is none."""
        try:
            return self._client.get(orders.volume_path(volume_id), wire.volume)
        except Refused as refusal:
            if refusal.reason != Fault.NOT_FOUND:
                raise
            return None

    def create_volume(self, name: str, size_gb: int, datacenter: str, kind: str) -> Volume:
        """Effect, not idempotent: make a network volume, which bills until it is deleted. Sent once, and again only
        after a 429."""
        body = orders.volume_body(name, size_gb, datacenter, kind)
        return self._client.create("/v2/network-volumes", body, wire.volume)

    def grow_volume(self, volume_id: str, size_gb: int) -> Volume:
        """Effect, idempotent: make a network volume larger. A smaller size is Refused."""
        return self._client.change(orders.volume_path(volume_id), orders.volume_size_body(size_gb), wire.volume)

    def delete_volume(self, volume_id: str) -> None:
        """Effect, idempotent: delete a network volume with its data. 404 counts as accepted. Refused while a pod has it
        mounted."""
        try:
            self._client.delete(orders.volume_path(volume_id))
        except Refused as refusal:
            if refusal.reason != Fault.NOT_FOUND:
                raise

    def mounts(self) -> tuple[wire.Mount, ...]:
        """Read: which pods of the account have network volumes mounted."""
        return tuple(mount for found in self._pages("/v2/pods", "pods", wire.mounts) for mount in found)

    def datacenters(self) -> tuple[DataCenter, ...]:
        """Read: all data centers with their stock."""
        params = {"include": "GPU_AVAILABILITY,CPU_AVAILABILITY"}
        return self._pages("/v2/catalog/datacenters", "dataCenters", wire.data_center, params)

    def registries(self) -> tuple[wire.Named, ...]:
        """Read: the credentials for registries that the account keeps."""
        return self._pages("/v2/registries", "registries", wire.named)

    def has_template(self, template_id: str) -> bool:
        """Read: whether there is a template with this id that the account may use."""
        try:
            self._client.get(orders.template_path(template_id), wire.accepted)
        except Refused as refusal:
            if refusal.reason != Fault.NOT_FOUND:
                raise
            return False
        return True

    def pod_log(self, pod_id: str, lines: int) -> PodLog:
        """Read the last lines of RunPod's log about this pod, and of its container's log. Empty if it does not answer
        in a few seconds."""
        tail = str(max(0, min(lines, MOST_LOG_LINES)))
        try:
            answer = self._client.listen(
                orders.pod_path(pod_id, "/logs"),
                {"tail": tail},
                seconds=LOG_SECONDS,
                quiet=LOG_QUIET_SECONDS,
            )
        except (Refused, Unavailable):
            return PodLog()  # read only to explain another error, which is the better one
        return pod_log(answer, lines) if answer is not None else PodLog()

    def log_events(self, pod_id: str, source: str) -> tuple[LogEvent, ...]:
        """Read the last lines of one log of this pod ("system": the provider's about it; "container"). Raises Refused
        (`not_found` for a pod that is gone) or Unavailable."""
        params = {"tail": str(MOST_LOG_LINES), "source": source}
        path = orders.pod_path(pod_id, "/logs")
        said = self._client.listen(path, params, seconds=LOG_SECONDS, quiet=LOG_QUIET_SECONDS)
        return log_events(said) if said is not None else ()

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()

    def _offers(self, cloud: str, gpu_count: int) -> tuple[Offer | None, ...]:
        params = _stock_params(cloud, gpu_count)
        return self._pages("/v2/catalog/gpus", "gpus", lambda raw: wire.offer(raw, cloud, gpu_count), params)

    def _act(self, kind: Kind, pod_id: str, action: str, *, done: tuple[str, ...]) -> None:
        """An action. "Not possible in this status" is no refusal if the pod already has the wanted status."""
        try:
            self._client.act(kind, orders.pod_path(pod_id, "/action"), orders.action_body(action), wire.accepted)
        except Refused as refusal:
            if refusal.reason not in (Fault.CONFLICT, Fault.LOCKED) or self._status(pod_id) not in done:
                raise self._explained(refusal, pod_id) from None

    def _explained(self, refusal: Refused, pod_id: str) -> Refused:
        """For a locked pod: who can unlock it, and how. rpd does not unlock it, because a person locked it on
        purpose."""
        if refusal.reason != Fault.LOCKED:
            return refusal
        return Refused(
            f"pod {pod_id} is locked, so neither rpd nor the switch in it can release it; whoever may edit it in the "
            f"account unlocks it, in RunPod's console or with   {unlocking(self._client.base_url, pod_id)}",
            reason=refusal.reason,
            retryable=True,
            detail=refusal.detail,
        )

    def _status(self, pod_id: str) -> str | None:
        """The present status. None if it cannot be read."""
        try:
            pod = self.get(pod_id)
        except (Refused, Unavailable):
            return None
        return pod.status if pod else None

    def _pages(
        self, path: str, key: str, decode: Callable[[Raw], T], params: dict[str, str] | None = None
    ) -> tuple[T, ...]:
        """All items of a listing. Servers without pages give one. A cursor that comes twice ends in Unavailable."""

        def read(body: bytes) -> tuple[tuple[T, ...], str | None]:
            page = wire.page(body, key)
            return tuple(decode(item) for item in page.items), page.next_cursor

        items: tuple[T, ...] = ()
        seen: set[str] = set()
        asked = dict(params or {})
        for _ in range(MOST_PAGES):
            more, cursor = self._client.get(path, read, asked)
            items += more
            if cursor is None:
                return items
            if cursor in seen:
                break
            seen.add(cursor)
            asked["cursor"] = cursor
        raise Unavailable(f"RunPod's list of {key} has no end", reason=Fault.UNREADABLE)


def unlocking(base_url: str, pod_id: str) -> str:
    """The command that unlocks a pod. rpd never runs it: a person locked the pod on purpose."""
    url = f"{base_url}{orders.pod_path(pod_id)}"
    return f'curl -X PATCH {url} -H "Authorization: Bearer $RUNPOD_API_KEY" --json \'{{"locked": false}}\''


def _stock_params(cloud: str, gpu_count: int) -> dict[str, str]:
    # `include` needs `product`; without `count` the stock is that of single GPUs.
    return {"include": "AVAILABILITY", "product": "POD", "cloud": cloud, "count": str(gpu_count)}
