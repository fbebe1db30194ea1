"""What the course of a pod and its accidents ask of the cloud, and the cloud of what runs its containers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rpd.adapters.sandbox.cloud.errands import Errands
from rpd.adapters.sandbox.cloud.model import Pod, State
from rpd.adapters.sandbox.machine.container import ContainerSpec

if TYPE_CHECKING:
    from rpd.adapters.sandbox.machine.sshd import SshFault


class ContainerRuntime(Protocol):
    """What runs the pods' containers and their SSH ports (`runtime.Runtime`)."""

    isolation: str
    starts_file: Path

    async def start(self, spec: ContainerSpec) -> None:
        """Run a fresh container. Raises ContainerNotStarted."""
        ...

    async def listen(self, pod_id: str) -> int:
        """Open the pod's SSH port and return it."""
        ...

    async def unlisten(self, pod_id: str) -> None:
        """Close the pod's SSH port."""
        ...

    def set_ssh_fault(self, pod_id: str, how: SshFault | None) -> None:
        """Let sshd misbehave: refuse, nobanner, close, auth, or not at all."""
        ...

    def set_service_fault(self, pod_id: str, how: str | None) -> None:
        """Let the services of the image fail: never, error, silent, or not at all."""
        ...

    def set_max_sessions(self, pod_id: str, count: int | None) -> None:
        """How many sessions one SSH connection may have at once."""
        ...

    async def hang_up(self, pod_id: str) -> None:
        """End every connection through the pod's SSH port."""
        ...

    def crash(self, pod_id: str) -> None:
        """End the pod's container as if by itself."""
        ...

    async def stop(self, pod_id: str) -> None:
        """Kill everything of the pod, wipe its container disk, keep its volume."""
        ...

    async def remove(self, pod_id: str) -> None:
        """Stop, then delete the pod's folder."""
        ...

    async def reap_leftovers(self) -> list[str]:
        """Kill what a killed daemon left running."""
        ...

    async def close(self) -> None:
        """End everything."""
        ...


class Cloud(Protocol):
    """All pods of one sandbox (`cloud_model.CloudModel`)."""

    state: State
    errands: Errands
    runtime: ContainerRuntime

    def now(self) -> float:
        """UTC seconds."""
        ...

    def save(self) -> None:
        """Write the state down."""
        ...

    def note(self, pod: Pod, line: str) -> None:
        """Add a line to the provider's log about this pod."""
        ...

    def newest_first(self) -> list[Pod]:
        """All pods that ever were."""
        ...

    def container_of(self, pod: Pod) -> ContainerSpec:
        """What the runtime is to run for this pod."""
        ...

    def lock(self, pod: Pod) -> asyncio.Lock:
        """What serialises the steps of this pod."""
        ...

    def boot(self, pod: Pod, *, is_first: bool) -> None:
        """Begin a boot, beside everything else."""
        ...

    async def end_work(self, pod: Pod) -> None:
        """End what goes on about this pod."""
        ...

    async def halt(self, pod: Pod) -> None:
        """Stop it; its lock is held."""
        ...

    async def delete(self, pod: Pod) -> None:
        """Delete it with its disks."""
        ...
