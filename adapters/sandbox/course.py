"""A pod's way from the accepted request to a reachable sshd, in the stages and proportions seen on RunPod."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, get_args

from rpd.adapters.sandbox import accidents, faults
from rpd.adapters.sandbox.model import PROVISIONING, RUNNING, STARTING, Pod
from rpd.adapters.sandbox.sshd import SshFault

if TYPE_CHECKING:
    from rpd.adapters.sandbox.cloud_model import CloudModel

# Shares of the boot time at which each stage is reached.
PLACED = 0.086
PULLING = 0.143
CONTAINER = 0.571
ADDRESS = 0.714
REACHABLE = 1.0

LEAD_SECONDS = 0.25
"""Bringing up a real container takes a moment; it is begun this much before the stage that shows it."""

SSH_FAULTS: dict[str, SshFault] = {how: how for how in get_args(SshFault)}


async def boot(cloud: CloudModel, pod: Pod, *, is_first: bool) -> None:
    """Walk the pod to RUNNING and its sshd to reachable; faults armed for a boot take hold here."""
    _cling(cloud, pod)
    cloud.note(pod, f"create container {pod.image}")
    if is_first:
        await _until(cloud, pod, PLACED)
        pod.is_placed = True
        accidents.milestone(cloud, pod, "provisioning")
        await _stuck(cloud, pod, PROVISIONING)
        await _until(cloud, pod, PULLING)
    pod.status = STARTING
    cloud.note(pod, f"pulling image {pod.image}")
    accidents.milestone(cloud, pod, "starting")
    await _stuck(cloud, pod, STARTING)
    await _start_container(cloud, pod)
    await _open_ssh(cloud, pod)
    pod.boot_seconds += cloud.now() - pod.accepted_at
    pod.has_booted = True
    cloud.save()


async def finish(work: Awaitable[None]) -> None:
    """Await `work` to its end even when the caller is cancelled half-way (a half-started container is worse)."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _start_container(cloud: CloudModel, pod: Pod) -> None:
    await _until(cloud, pod, CONTAINER, early=LEAD_SECONDS)
    hang = pod.afflictions.get("F36")
    if hang is not None:
        pod.status = RUNNING
        cloud.save()
        await _wait_out(cloud, hang)
        del pod.afflictions["F36"]
    await finish(cloud.runtime.start(cloud.container_of(pod)))
    pod.started_at = pod.container_at = cloud.now()
    await _until(cloud, pod, CONTAINER)
    pod.status = RUNNING
    cloud.note(pod, f"start container for {pod.image}: begin")
    accidents.milestone(cloud, pod, "running")
    if "F25" in pod.afflictions:
        end_crashes(cloud, pod)


async def _open_ssh(cloud: CloudModel, pod: Pod) -> None:
    if "22/tcp" not in pod.ports:
        await _until(cloud, pod, REACHABLE)
        return
    await _until(cloud, pod, ADDRESS)
    cloud.runtime.set_ssh_fault(pod.id, "refuse")
    pod.ssh_port = await cloud.runtime.listen(pod.id)
    cloud.save()
    await _until(cloud, pod, REACHABLE)
    cloud.runtime.set_ssh_fault(pod.id, None)
    limit_sessions(cloud, pod)
    if "F19" in pod.afflictions:
        spoil_ssh(cloud, pod)


def spoil_ssh(cloud: CloudModel, pod: Pod) -> None:
    """Let the fault F19 that clings to this pod bend its sshd from now on."""
    options = pod.afflictions["F19"]
    cloud.runtime.set_ssh_fault(pod.id, SSH_FAULTS[options.get("how", "refuse").lower()])
    if "seconds" in options:
        cloud.errands.later(faults.number(options, "seconds", 0.0), lambda: mend_ssh(cloud, pod), owner=pod.id)


def limit_sessions(cloud: CloudModel, pod: Pod) -> None:
    """Let fault F42, where it clings to this pod, lower sshd's MaxSessions; else it is as usual."""
    options = pod.afflictions.get("F42")
    cloud.runtime.set_max_sessions(pod.id, None if options is None else int(faults.number(options, "sessions", 1.0)))


async def mend_ssh(cloud: CloudModel, pod: Pod) -> None:
    """Let sshd behave again."""
    for held in ("F19", "F40"):
        pod.afflictions.pop(held, None)
    cloud.runtime.set_ssh_fault(pod.id, None)
    cloud.save()


async def crash_now(cloud: CloudModel, pod: Pod) -> None:
    """Swap the running container for one that crashes, or back for a sound one, behind a fresh port."""
    await finish(cloud.runtime.start(cloud.container_of(pod)))
    pod.container_at = cloud.now()
    if pod.ssh_port is not None:
        pod.ssh_port = await cloud.runtime.listen(pod.id)
    cloud.save()


def end_crashes(cloud: CloudModel, pod: Pod) -> None:
    """With `seconds`, let the crashes of fault F25 end by themselves."""
    options = pod.afflictions["F25"]
    if "seconds" not in options:
        return

    async def end() -> None:
        del pod.afflictions["F25"]
        await crash_now(cloud, pod)

    cloud.errands.later(faults.number(options, "seconds", 0.0), end, owner=pod.id)


def _cling(cloud: CloudModel, pod: Pod) -> None:
    for fault_id in sorted(faults.CLINGING):
        # A container that is to end once has to run first.
        options = faults.strike(cloud.state, fault_id, pod, fits=lambda o: o.get("how") != "once")
        if options is not None:
            cling(cloud, pod, fault_id, options)


def cling(cloud: CloudModel, pod: Pod, fault_id: str, options: dict[str, str]) -> None:
    """Let a fault take hold of this pod; with `seconds` it lets go by itself."""
    if "seconds" in options:
        options["until"] = str(cloud.now() + faults.number(options, "seconds", 0.0))
    pod.afflictions[fault_id] = options


async def _stuck(cloud: CloudModel, pod: Pod, status: str) -> None:
    options = pod.afflictions.get("F16")
    if options is None or options.get("at", PROVISIONING).upper() != status:
        return
    if (line := faults.STUCK_LINES.get(options.get("log", "silent"))) is not None:
        cloud.note(pod, line)
    cloud.save()
    await _wait_out(cloud, options)
    del pod.afflictions["F16"]


async def _wait_out(cloud: CloudModel, options: dict[str, str]) -> None:
    if "until" not in options:
        await asyncio.Event().wait()
    await asyncio.sleep(max(0.0, float(options["until"]) - cloud.now()))


async def _until(cloud: CloudModel, pod: Pod, share: float, early: float = 0.0) -> None:
    at = pod.accepted_at + pod.planned_boot_seconds * share - early
    delay = at - cloud.now()
    if delay > 0:
        await asyncio.sleep(delay)
    cloud.save()
