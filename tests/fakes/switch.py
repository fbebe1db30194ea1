"""The dead-man's switch inside fake pods: told by orders on the volume, or before any by the container's environment.

It does not poll: it acts at the moment at which the real loop would find its limit or its owner's silence reached.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from rpd.adapters.pod.start_command import original_command
from rpd.states.ports.world import SwitchOrder
from tests.fakes.clock import START_WALL

if TYPE_CHECKING:
    from tests.fakes.cloud import FakeCloud, FakePod
    from tests.fakes.remote import FakeRemote

GRACE_SECONDS = 600.0
"""How long a limit that was past before the provider started the pod waits for new orders."""


def is_restart_proof(pod: FakePod) -> bool:
    """Whether the switch stands in the start command and so comes back with each container."""
    return original_command(pod.order.image, pod.order.args) is not None


class FakeSwitch:
    """The switches of all pods of a fake cloud. `disk["loop"]` of a pod is when the loop in its container began."""

    def __init__(self, cloud: FakeCloud, remote: FakeRemote) -> None:
        self.cloud, self.remote, self.clock = cloud, remote, cloud.clock
        cloud.container_begins = self.container_begins

    def container_begins(self, pod: FakePod) -> None:
        """A container of the pod is on its way."""
        if is_restart_proof(pod):
            self.clock.after(max(0.0, pod.started_at - self.clock.real), lambda: self._begin(pod, pod.container))

    def arm(self, pod: FakePod, order: SwitchOrder, run_id: str) -> None:
        """Orders replace earlier ones; where no loop runs, one begins."""
        pod.volume["switch"], pod.volume["switch_run"] = order, run_id
        pod.disk.setdefault("loop", self.clock.real)
        self.look_again(pod)

    def owner_was_here(self, pod: FakePod) -> None:
        """The owner heartbeat is fresh."""
        pod.volume["owner_at"] = self.clock.real

    def look_again(self, pod: FakePod) -> None:
        """Plan the next look: at what is due now, which may be put off until then."""
        due, action = self._due(pod)
        if due == inf:
            return
        container = pod.container
        self.clock.after(max(0.0, due - self.clock.real), lambda: self._look(pod, container, action))

    def _begin(self, pod: FakePod, container: int) -> None:
        if pod.container == container and pod.status == "RUNNING":
            pod.disk.setdefault("loop", self.clock.real)
            self.look_again(pod)

    def _look(self, pod: FakePod, container: int, action: str) -> None:
        if pod.container != container or pod.status != "RUNNING":
            return
        due, action = self._due(pod)
        if due > self.clock.real:
            self.look_again(pod)
        elif self.remote.may_release(pod):
            self.cloud.halt(pod, "TERMINATED" if action == "terminate" else "EXITED")

    def _due(self, pod: FakePod) -> tuple[float, str]:
        """When it is to act, and how."""
        loop = pod.disk.get("loop")
        if not isinstance(loop, float):
            return inf, ""
        order = pod.volume.get("switch")
        if not isinstance(order, SwitchOrder):
            limit_at = float(pod.order.env.get("RPD_LIMIT_AT", inf))
            order = SwitchOrder(0, limit_at, "stop", inf, 0)
        return min(self._limit(pod, order, loop), self._silence(pod, order, loop)), order.action

    def _limit(self, pod: FakePod, order: SwitchOrder, loop: float) -> float:
        limit = order.limit_at - START_WALL
        is_old = limit <= loop and pod.started_at > limit
        grace = float(pod.order.env.get("RPD_SWITCH_GRACE", GRACE_SECONDS)) if is_old else 0.0
        return max(limit, loop) + grace

    def _silence(self, pod: FakePod, order: SwitchOrder, loop: float) -> float:
        """After the job's end, when its owner has not been heard of for so long."""
        over = self.remote.over_at(pod, str(pod.volume.get("switch_run")), order.launch)
        owner_at = float(pod.volume.get("owner_at", 0.0))  # type: ignore[arg-type]
        return max(over, loop, owner_at) + order.owner_silence_seconds
