"""Faults that hold a pod for a while: what they do to it, and how they let go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import get_args

from rpd.adapters.sandbox.cloud import faults
from rpd.adapters.sandbox.cloud.model import Pod
from rpd.adapters.sandbox.cloud.ports import Cloud
from rpd.adapters.sandbox.machine.sshd import SshFault

SSH_FAULTS: dict[str, SshFault] = {how: how for how in get_args(SshFault)}


async def finish(work: Awaitable[None]) -> None:
    """Await `work` to its end even when the caller is cancelled half-way (a half-started container is worse)."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def spoil_service(cloud: Cloud, pod: Pod) -> None:
    """Let the fault F44 that clings to this pod bend the services of its image, after `delay` and for `seconds`."""
    options = pod.afflictions["F44"]
    delay = faults.number(options, "delay", 0.0)

    async def begin() -> None:
        cloud.runtime.set_service_fault(pod.id, options.get("how", "never").lower())

    async def end() -> None:
        pod.afflictions.pop("F44", None)
        cloud.runtime.set_service_fault(pod.id, None)
        cloud.save()

    if delay:
        cloud.errands.later(delay, begin, owner=pod.id)
    else:
        cloud.runtime.set_service_fault(pod.id, options.get("how", "never").lower())
    if "seconds" in options:
        cloud.errands.later(delay + faults.number(options, "seconds", 0.0), end, owner=pod.id)


def limit_sessions(cloud: Cloud, pod: Pod) -> None:
    """Let fault F42, where it clings to this pod, lower sshd's MaxSessions; else it is as usual."""
    options = pod.afflictions.get("F42")
    cloud.runtime.set_max_sessions(pod.id, None if options is None else int(faults.number(options, "sessions", 1.0)))


def bend_ssh(cloud: Cloud, pod: Pod) -> None:
    """Let sshd behave as the faults say that hold it now; well, without one."""
    how: SshFault | None = None
    if "F40" in pod.afflictions:
        how = "refuse"
    elif "F19" in pod.afflictions:
        how = SSH_FAULTS[pod.afflictions["F19"].get("how", "refuse").lower()]
    cloud.runtime.set_ssh_fault(pod.id, how)


def let_go_of_ssh(cloud: Cloud, pod: Pod, fault_id: str) -> None:
    """With `seconds`, let this fault end by itself: it alone, and not one of the same kind that struck after it."""
    options = pod.afflictions[fault_id]
    if "seconds" not in options:
        return

    async def end() -> None:
        if pod.afflictions.get(fault_id) is options:
            del pod.afflictions[fault_id]
            if pod.has_booted:  # else the boot does it, when sshd begins to answer
                bend_ssh(cloud, pod)
            cloud.save()

    cloud.errands.later(faults.number(options, "seconds", 0.0), end, owner=pod.id)


async def crash_now(cloud: Cloud, pod: Pod) -> None:
    """Swap the running container for one that crashes, or back for a sound one, behind a fresh port."""
    await finish(cloud.runtime.start(cloud.container_of(pod)))
    pod.container_at = cloud.now()
    if pod.ssh_port is not None:
        pod.ssh_port = await cloud.runtime.listen(pod.id)
    cloud.save()


def end_crashes(cloud: Cloud, pod: Pod) -> None:
    """With `seconds`, let the crashes of fault F25 end by themselves."""
    options = pod.afflictions["F25"]
    if "seconds" not in options:
        return

    async def end() -> None:
        del pod.afflictions["F25"]
        await crash_now(cloud, pod)

    cloud.errands.later(faults.number(options, "seconds", 0.0), end, owner=pod.id)


def cling(cloud: Cloud, pod: Pod, fault_id: str, options: dict[str, str]) -> None:
    """Let a fault take hold of this pod; with `seconds` it lets go by itself."""
    if "seconds" in options:
        options["until"] = str(cloud.now() + faults.number(options, "seconds", 0.0))
    pod.afflictions[fault_id] = options
