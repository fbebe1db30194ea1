"""The cloud itself: pods admitted, started, stopped and deleted, each step in the ledger, each pod a container.

One event loop owns it; nothing here blocks. A pod's steps are serialised by a lock of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex
import string
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from rpd.adapters.sandbox.cloud import accidents, catalog, course, faults, ledger, state_file
from rpd.adapters.sandbox.cloud.errands import Errands
from rpd.adapters.sandbox.cloud.model import ERROR, EXITED, RUNNING, STARTING, TERMINATED, LogLine, Pod, State
from rpd.adapters.sandbox.cloud.ports import ContainerRuntime
from rpd.adapters.sandbox.cloud.problems import START_REFUSED, Problem, bad_request, conflict
from rpd.adapters.sandbox.machine.container import ContainerNotStarted, ContainerSpec

_ID_LETTERS = string.ascii_lowercase + string.digits
_MAX_LOG_LINES = 500
START_SCRIPT = "/start.sh"


class CloudModel:
    """All pods of one sandbox. `api_url` is what pods are told to call for their own release.

    `make_runtime` gets the two callbacks of the runtime: a container exited, somebody logged in.
    """

    def __init__(
        self,
        home: Path,
        state: State,
        make_runtime: Callable[[Callable[[str, int], None], Callable[[str], None]], ContainerRuntime],
    ) -> None:
        self.home = home
        self.state = state
        self.api_url = ""
        self.errands = Errands()
        self.runtime = make_runtime(self.on_exit, self.on_login)
        self._locks: dict[str, asyncio.Lock] = {}
        self._boots: dict[str, asyncio.Task[None]] = {}

    # What is there

    def now(self) -> float:
        """UTC seconds; the ledger goes by this clock."""
        return time.time()

    def save(self) -> None:
        """Write the state down."""
        state_file.save(self.home, self.state)

    def find(self, pod_id: str) -> Pod | None:
        """The pod with this id, unless it is gone."""
        pod = self.state.pods.get(pod_id)
        return None if pod is None or pod.status == TERMINATED else pod

    def newest_first(self) -> list[Pod]:
        """All pods that ever were, the youngest first."""
        return sorted(self.state.pods.values(), key=lambda pod: -pod.seq)

    def has_live_pods(self) -> bool:
        """Whether some pod bills compute, or one is on its way."""
        return any(pod.is_live for pod in self.state.pods.values()) or self.errands.has_unowned()

    # What can be done to it

    def admit(self, order: Pod) -> Pod:
        """Accept an order: from now on the pod exists, boots and bills."""
        now = self.now()
        pod = msgspec.structs.replace(
            order,
            id=self._fresh_id(),
            seq=self.state.next_seq,
            key=f"rps_{secrets.token_hex(20)}",
            created_at=now,
            accepted_at=now,
            spans=[],
            log=[],
            afflictions={},
            env=dict(order.env),
        )
        self.state.next_seq += 1
        self.state.pods[pod.id] = pod
        ledger.open_compute(pod, now)
        self.save()
        self.boot(pod, is_first=True)
        return pod

    async def stop(self, pod: Pod) -> None:
        """Stop a live pod: its container and the container disk are gone, the volume stays. Raises Problem 409."""
        async with self.lock(pod):
            if not pod.is_live:
                raise conflict(f"pod is {pod.status}; it cannot be stopped")
            refuse_locked(pod)
            await self.halt(pod)

    async def start(self, pod: Pod) -> None:
        """Start a stopped pod on its host. Raises Problem: 409 (not stopped), 400 (no free GPU), 402."""
        async with self.lock(pod):
            if pod.status not in (EXITED, ERROR):
                raise conflict(f"pod is {pod.status}; it cannot be started")
            is_taken = pod.gpu_id is not None and catalog.stock(self.state, pod.gpu_id, pod.datacenter) == "NONE"
            if faults.strike(self.state, "F21", pod) is not None or is_taken:
                raise bad_request(START_REFUSED)
            now = self.now()
            if ledger.balance(self.state, now) < pod.compute_rate:
                raise Problem(402, "Insufficient balance to start this pod.")
            zero = faults.strike(self.state, "F22", pod)
            pod.gpus_given = 0 if zero is not None and zero.get("how", "count") == "count" else pod.gpu_count
            pod.afflictions = {"F22": zero} if zero is not None else {}
            stale = faults.strike(self.state, "F20", pod)
            pod.stale_until = now + faults.number(stale, "seconds", 2.0) if stale is not None else 0.0
            ledger.open_compute(pod, now)
            pod.status, pod.accepted_at, pod.has_booted = STARTING, now, False
            pod.planned_boot_seconds = self.state.boot_seconds
            self.note(pod, "start requested")
            self.boot(pod, is_first=False)

    async def restart(self, pod: Pod) -> None:
        """Recreate the container of a running pod in place. Raises Problem 409."""
        async with self.lock(pod):
            if pod.status != RUNNING:
                raise conflict(f"pod is {pod.status}; it cannot be restarted")
            refuse_locked(pod)
            await self._recreate(pod)

    async def recreate(self, pod: Pod) -> None:
        """Apply changed settings: a running container is recreated, everything outside the mount is lost."""
        async with self.lock(pod):
            if pod.status == RUNNING:
                await self._recreate(pod)

    async def delete(self, pod: Pod) -> None:
        """Delete a pod with its disks; nothing of it bills any more. Repeatable."""
        async with self.lock(pod):
            if pod.status == TERMINATED:
                return
            await self.end_work(pod)
            now = self.now()
            ledger.close(pod, now)
            pod.status, pod.ends_at, pod.ssh_port = TERMINATED, now, None
            self.note(pod, "pod terminated")
            await self.runtime.unlisten(pod.id)
            await self.runtime.remove(pod.id)

    async def reset(self) -> None:
        """Forget everything: pods are deleted, then the state is a fresh one at the same address and boot time."""
        for pod in self.newest_first():
            await self.delete(pod)
        self.errands.cancel()
        kept = State(boot_seconds=self.state.boot_seconds, port=self.state.port)
        for field in State.__struct_fields__:
            setattr(self.state, field, getattr(kept, field))
        # Emptied, not removed: containers write to it through a mount of this very file.
        self.runtime.starts_file.write_bytes(b"")
        self.save()

    async def recover(self) -> None:
        """After a restart of the daemon: end what the old one left running, then boot its live pods again."""
        await self.runtime.reap_leftovers()
        for pod in self.newest_first():
            pod.ssh_port = None
            if pod.is_live:
                pod.accepted_at = self.now()
                self.boot(pod, is_first=not pod.is_placed)
        self.save()

    async def close(self) -> None:
        """End all work and all processes; the state stays as it is, live pods included."""
        self.errands.cancel()
        for task in list(self._boots.values()):
            task.cancel()
        await asyncio.gather(*self._boots.values(), return_exceptions=True)
        await self.errands.finish()
        for pod in self.newest_first():
            if pod.status != TERMINATED:
                await self.runtime.unlisten(pod.id)
                if pod.is_live:
                    await self.runtime.stop(pod.id)
        await self.runtime.close()
        self.save()

    # What happens to it

    def note(self, pod: Pod, line: str) -> None:
        """Add a line to the provider's log about this pod."""
        seq = pod.log[-1].seq + 1 if pod.log else 1
        pod.log.append(LogLine(ts=self.now(), seq=seq, line=line))
        del pod.log[:-_MAX_LOG_LINES]
        self.save()

    def on_exit(self, pod_id: str, code: int) -> None:
        """The runtime's news that a container ended by itself (it starts it again)."""
        pod = self.find(pod_id)
        if pod is not None:
            pod.container_at = self.now()
            self.note(pod, f"container exited with code {code}; restarting")

    def on_login(self, pod_id: str) -> None:
        """The runtime's news that somebody logged in over SSH."""
        pod = self.find(pod_id)
        if pod is not None:
            pod.ssh_logins += 1
            accidents.milestone(self, pod, "ssh")
            self.save()

    def container_of(self, pod: Pod) -> ContainerSpec:
        """What the runtime is to run for this pod."""
        if pod.network_volume_id is not None:
            self._link_network_volume(pod)
        environment = {
            "RUNPOD_GPU_COUNT": str(pod.gpus_given),
            "RUNPOD_DC_ID": pod.datacenter,
            "RUNPOD_PUBLIC_IP": "127.0.0.1",
            "RPD_API_URL": self.api_url,
            **pod.env,
            "RUNPOD_POD_ID": pod.id,
            "RUNPOD_API_KEY": pod.key,
        }
        if pod.network_volume_id is not None:
            environment["RUNPOD_VOLUME_ID"] = pod.network_volume_id
        return ContainerSpec(
            pod_id=pod.id,
            image=pod.image,
            args=_crashing(pod) if "F25" in pod.afflictions else pod.args or None,
            env=environment,
            volume_path=pod.volume_path or "/workspace",
            has_volume=pod.persistent_gb is not None or pod.network_volume_id is not None,
            gpu_name=pod.gpu_id or "",
            gpu_count=0 if "F22" in pod.afflictions else pod.gpus_given,
            is_read_only="F43" in pod.afflictions,
        )

    # Inside

    def lock(self, pod: Pod) -> asyncio.Lock:
        return self._locks.setdefault(pod.id, asyncio.Lock())

    def _fresh_id(self) -> str:
        while True:
            candidate = "".join(secrets.choice(_ID_LETTERS) for _ in range(14))
            if candidate not in self.state.pods:
                return candidate

    def boot(self, pod: Pod, *, is_first: bool) -> None:
        async def boot() -> None:
            try:
                await course.boot(self, pod, is_first=is_first)
            except (ContainerNotStarted, OSError) as error:
                pod.status = ERROR
                ledger.open_storage(pod, self.now())
                self.note(pod, f"error creating container: {error}")

        self._boots[pod.id] = asyncio.create_task(boot())

    async def end_work(self, pod: Pod) -> None:
        self.errands.cancel(pod.id)
        boot = self._boots.pop(pod.id, None)
        if boot is not None:
            boot.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await boot

    async def halt(self, pod: Pod) -> None:
        now = self.now()
        ledger.open_storage(pod, now)
        pod.status = EXITED
        pod.stale_port, pod.ssh_port = pod.ssh_port, None
        pod.afflictions = {}
        self.save()
        await self.end_work(pod)
        # A boot that ended just now may have moved the status on.
        pod.status, pod.ssh_port, pod.container_at = EXITED, None, None
        self.note(pod, "stop container")
        await self.runtime.unlisten(pod.id)
        await self.runtime.stop(pod.id)

    async def _recreate(self, pod: Pod) -> None:
        await self.end_work(pod)
        pod.stale_port, pod.ssh_port = pod.ssh_port, None
        await self.runtime.unlisten(pod.id)
        await self.runtime.stop(pod.id)
        pod.status, pod.accepted_at, pod.has_booted = STARTING, self.now(), False
        pod.planned_boot_seconds = self.state.boot_seconds
        self.boot(pod, is_first=False)

    def _link_network_volume(self, pod: Pod) -> None:
        """A network volume is one folder for all pods that mount it; the pod's own volume folder points there."""
        shared = self.home / "volumes" / str(pod.network_volume_id)
        shared.mkdir(parents=True, exist_ok=True)
        link = self.home / "pods" / pod.id / "volume"
        if not link.is_symlink() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(shared)


def _crashing(pod: Pod) -> str:
    """The pod's start command, in a container that dies after a while (fault F25)."""
    seconds = faults.number(pod.afflictions["F25"], "every", 1.0)
    return f"bash -c {shlex.quote(f'{pod.args or START_SCRIPT} & sleep {seconds}; exit 1')}"


def refuse_locked(pod: Pod) -> None:
    """A locked pod is neither stopped nor restarted nor deleted. Raises Problem 409."""
    if pod.is_locked:
        raise conflict("pod is locked; unlock it first")
