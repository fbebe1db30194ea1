"""An account whose pods are simply there: for who only looks at them, stops and deletes them."""

from __future__ import annotations

import msgspec

from rpd.states.ports.world import Pod


class Account:
    """The part of the port `Cloud` that a release needs; it is its own world. The pods in `hidden` are shown by their
    id alone."""

    def __init__(self, *pods: Pod, hidden: tuple[Pod, ...] = ()) -> None:
        self.cloud = self
        self.pods = {pod.id: pod for pod in pods}
        self.hidden = {pod.id: pod for pod in hidden}

    def list(self) -> tuple[Pod, ...]:
        return tuple(self.pods.values())

    def get(self, pod_id: str) -> Pod | None:
        return self.pods.get(pod_id) or self.hidden.get(pod_id)

    def stop(self, pod_id: str) -> None:
        self._now(pod_id, "EXITED")

    def delete(self, pod_id: str) -> None:
        self._now(pod_id, "TERMINATED")

    def _now(self, pod_id: str, status: str) -> None:
        if pod_id in self.pods:
            self.pods[pod_id] = msgspec.structs.replace(self.pods[pod_id], status=status, usd_per_hour=0.0)
