"""The containers of a sandbox: real processes in folders of their own, restarted when they end, reached over real SSH.

Everything runs in one event loop. Which processes belong to which pod is on disk, so that a runtime that was killed
leaves pods running and its successor finds them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from rpd.adapters.sandbox.machine.container import ContainerNotStarted, ContainerSpec, Isolation, PodFolder
from rpd.adapters.sandbox.machine.namespace import Namespace
from rpd.adapters.sandbox.machine.rewriting import Rewritten
from rpd.adapters.sandbox.machine.runtime_pod import RunningPod, end_leftovers
from rpd.adapters.sandbox.machine.sshd import SshDoor, SshFault

__all__ = ["ContainerNotStarted", "ContainerSpec", "Runtime"]


class Runtime:
    """All containers below `home`.

    `isolation` is "namespace" or "rewritten"; None takes the first where the kernel allows it, unless the variable
    RPD_SANDBOX_ISOLATION says otherwise. `on_exit(pod_id, status)` is called each time a container ends by itself
    (status above 128: by a signal); it is restarted then. `on_login(pod_id)` is called for each successful SSH login.
    `starts_file` gets one line, run id and launch number with a tab between, whenever the user's script is executed.
    """

    def __init__(
        self,
        home: Path,
        *,
        isolation: str | None = None,
        on_exit: Callable[[str, int], None],
        on_login: Callable[[str], None],
    ) -> None:
        self._pods_folder = home.absolute() / "pods"
        self._pods_folder.mkdir(parents=True, exist_ok=True)
        self.starts_file = home.absolute() / "starts.tsv"
        self.starts_file.touch()
        self._on_exit = on_exit
        self._on_login = on_login
        self._isolation = _choose(isolation, home.absolute(), self.starts_file)
        self.isolation = self._isolation.name
        self._pods: dict[str, RunningPod] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def start(self, spec: ContainerSpec) -> None:
        """Run a container on a fresh disk with the volume that was kept; one that still runs is stopped first.

        Raises ContainerNotStarted.
        """
        async with self._lock(spec.pod_id):
            await self._stop(spec.pod_id)
            pod = self._pod(spec.pod_id)
            await pod.start(spec)

    async def stop(self, pod_id: str) -> None:
        """End every process of the pod, close its port, wipe the container disk. The volume stays."""
        async with self._lock(pod_id):
            await self._stop(pod_id)

    async def remove(self, pod_id: str) -> None:
        """Stop the pod and delete its folder, volume included."""
        async with self._lock(pod_id):
            await self._stop(pod_id)
            self._pods.pop(pod_id, None)
            await asyncio.to_thread(self._folder(pod_id).remove)

    def is_running(self, pod_id: str) -> bool:
        """Whether the pod has a container, or will have one again in a moment because it restarts."""
        return pod_id in self._pods and self._pods[pod_id].is_running

    def log_file(self, pod_id: str) -> Path:
        """Output of the container's first process; may be missing."""
        return self._folder(pod_id).log_file

    async def listen(self, pod_id: str) -> int:
        """Open the pod's SSH door on a fresh port of 127.0.0.1, and return that; it answers while sshd runs inside."""
        async with self._lock(pod_id):
            pod = self._pod(pod_id)
            await pod.close_door()
            pod.door = SshDoor(pod, lambda: self._on_login(pod_id))
            pod.door.set_fault(pod.ssh_fault)
            pod.door.sessions_max = pod.max_sessions
            return pod.door.open()

    async def unlisten(self, pod_id: str) -> None:
        """Close the pod's SSH port and every connection through it."""
        async with self._lock(pod_id):
            if pod_id in self._pods:
                await self._pods[pod_id].close_door()

    def set_ssh_fault(self, pod_id: str, how: SshFault | None) -> None:
        """Make new SSH connections to the pod fail; None: serve them again. It stays set over restarts and stops."""
        self._pod(pod_id).set_ssh_fault(how)

    def set_service_fault(self, pod_id: str, how: str | None) -> None:
        """Make the services of the pod's image fail (never, error, silent); None: they are well. It stays set."""
        self._pod(pod_id).set_service_fault(how)

    def set_max_sessions(self, pod_id: str, count: int | None) -> None:
        """How many sessions one SSH connection to the pod may have at once. It stays set over restarts and stops."""
        self._pod(pod_id).set_max_sessions(count)

    async def hang_up(self, pod_id: str) -> None:
        """End every connection through the pod's SSH port; the port stays."""
        async with self._lock(pod_id):
            door = self._pod(pod_id).door
            if door is not None:
                await door.hang_up()

    def crash(self, pod_id: str) -> None:
        """Kill the container's first process, as the kernel does when memory runs out; it is restarted then."""
        self._pod(pod_id).crash()

    async def reap_leftovers(self) -> list[str]:
        """End what an earlier runtime of this home left running; returns the pods' ids. Their volumes stay."""
        reaped = []
        for path in sorted(self._pods_folder.iterdir()):
            if path.name not in self._pods and await end_leftovers(PodFolder(path)):
                reaped.append(path.name)
        return reaped

    async def close(self) -> None:
        """End every container and close every port. The volumes stay."""
        for pod_id in list(self._pods):
            await self.stop(pod_id)

    async def _stop(self, pod_id: str) -> None:
        pod = self._pods.get(pod_id)
        if pod is not None:
            await pod.close_door()
            await pod.stop()

    def _pod(self, pod_id: str) -> RunningPod:
        if pod_id not in self._pods:
            self._pods[pod_id] = RunningPod(self._folder(pod_id), self._isolation, self._on_exit)
        return self._pods[pod_id]

    def _folder(self, pod_id: str) -> PodFolder:
        if not pod_id or "/" in pod_id or pod_id.startswith("."):
            raise ValueError(f"not a pod id: {pod_id!r}")
        return PodFolder(self._pods_folder / pod_id)

    def _lock(self, pod_id: str) -> asyncio.Lock:
        return self._locks.setdefault(pod_id, asyncio.Lock())


def _choose(wanted: str | None, home: Path, starts_file: Path) -> Isolation:
    """The isolation asked for, or the best that works here."""
    wanted = wanted or os.environ.get("RPD_SANDBOX_ISOLATION") or None
    if wanted not in (None, Namespace.name, Rewritten.name):
        raise ValueError(f"no such isolation: {wanted!r} (known: namespace, rewritten)")
    if wanted != Rewritten.name:
        namespace = Namespace(home, starts_file)
        why = namespace.refusal()
        if why is None:
            return namespace
        if wanted is not None:
            raise ContainerNotStarted(f"no namespaces: {why}")
    rewritten = Rewritten(home, starts_file)
    why = rewritten.refusal()
    if why is not None:
        raise ContainerNotStarted(f"no container can run: {why}")
    return rewritten
