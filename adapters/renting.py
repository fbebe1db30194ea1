"""What every pod is given on the way to the cloud: the key that opens it, and the switch in its start command."""

from __future__ import annotations

import msgspec

from rpd.adapters.local.config import RUNPOD_URL
from rpd.adapters.pod.start_command import original_command, switch_start_command
from rpd.states.world import Cloud, Offer, Pod, PodOrder


class Renting:
    """The port `Cloud` with a create that adds what only adapters know. Everything else is passed on."""

    def __init__(self, cloud: Cloud, *, public_key: str, api_url: str) -> None:
        self._cloud = cloud
        self._public_key = public_key
        self._api_url = api_url

    def create(self, order: PodOrder) -> Pod:
        """Effect: rent, with `PUBLIC_KEY` (the images' own way to authorize a key) and, where the start command is
        known, the switch."""
        env = {**order.env, "PUBLIC_KEY": self._public_key}
        if self._api_url != RUNPOD_URL:
            env["RPD_API_URL"] = self._api_url
        original = original_command(order.image, order.args)
        args = switch_start_command(original, volume=order.volume_path) if original is not None else order.args
        return self._cloud.create(msgspec.structs.replace(order, env=env, args=args))

    def get(self, pod_id: str) -> Pod | None:
        """Passed on."""
        return self._cloud.get(pod_id)

    def list(self) -> tuple[Pod, ...]:
        """Passed on."""
        return self._cloud.list()

    def start(self, pod_id: str) -> None:
        """Passed on."""
        self._cloud.start(pod_id)

    def stop(self, pod_id: str) -> None:
        """Passed on."""
        self._cloud.stop(pod_id)

    def delete(self, pod_id: str) -> None:
        """Passed on."""
        self._cloud.delete(pod_id)

    def offers(self, gpu_count: int) -> tuple[Offer, ...]:
        """Passed on."""
        return self._cloud.offers(gpu_count)

    def network_volume_id(self, name: str) -> str | None:
        """Passed on."""
        return self._cloud.network_volume_id(name)

    def system_log(self, pod_id: str, lines: int) -> tuple[str, ...]:
        """Passed on."""
        return self._cloud.system_log(pod_id, lines)
