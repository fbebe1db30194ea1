"""A pod's way from the accepted request to a reachable sshd, in the stages and proportions seen on RunPod."""

from __future__ import annotations

import asyncio

from rpd.adapters.sandbox.cloud import accidents, clinging, faults
from rpd.adapters.sandbox.cloud.model import PROVISIONING, RUNNING, STARTING, Pod
from rpd.adapters.sandbox.cloud.ports import Cloud

# Shares of the boot time at which each stage is reached.
PLACED = 0.086
PULLING = 0.143
CONTAINER = 0.571
ADDRESS = 0.714
REACHABLE = 1.0

LEAD_SECONDS = 0.25
"""Bringing up a real container takes a moment; it is begun this much before the stage that shows it."""


async def boot(cloud: Cloud, pod: Pod, *, is_first: bool) -> None:
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


async def _start_container(cloud: Cloud, pod: Pod) -> None:
    await _until(cloud, pod, CONTAINER, early=LEAD_SECONDS)
    hang = pod.afflictions.get("F36")
    if hang is not None:
        pod.status = RUNNING
        cloud.save()
        await _wait_out(cloud, hang)
        del pod.afflictions["F36"]
    if "F44" in pod.afflictions:
        clinging.spoil_service(cloud, pod)
    await clinging.finish(cloud.runtime.start(cloud.container_of(pod)))
    pod.started_at = pod.container_at = cloud.now()
    await _until(cloud, pod, CONTAINER)
    pod.status = RUNNING
    cloud.note(pod, f"start container for {pod.image}: begin")
    accidents.milestone(cloud, pod, "running")
    if "F25" in pod.afflictions:
        clinging.end_crashes(cloud, pod)


async def _open_ssh(cloud: Cloud, pod: Pod) -> None:
    if "22/tcp" not in pod.ports:
        await _until(cloud, pod, REACHABLE)
        return
    await _until(cloud, pod, ADDRESS)
    cloud.runtime.set_ssh_fault(pod.id, "refuse")
    pod.ssh_port = await cloud.runtime.listen(pod.id)
    cloud.save()
    await _until(cloud, pod, REACHABLE)
    clinging.bend_ssh(cloud, pod)
    clinging.limit_sessions(cloud, pod)
    if "F19" in pod.afflictions:
        clinging.let_go_of_ssh(cloud, pod, "F19")


def _cling(cloud: Cloud, pod: Pod) -> None:
    for fault_id in sorted(faults.CLINGING):
        # A container that is to end once has to run first.
        options = faults.strike(cloud.state, fault_id, pod, fits=lambda o: o.get("how") != "once")
        if options is not None:
            clinging.cling(cloud, pod, fault_id, options)


async def _stuck(cloud: Cloud, pod: Pod, status: str) -> None:
    options = pod.afflictions.get("F16")
    if options is None or options.get("at", PROVISIONING).upper() != status:
        return
    if (line := faults.STUCK_LINES.get(options.get("log", "silent"))) is not None:
        cloud.note(pod, line)
    cloud.save()
    await _wait_out(cloud, options)
    del pod.afflictions["F16"]


async def _wait_out(cloud: Cloud, options: dict[str, str]) -> None:
    if "until" not in options:
        await asyncio.Event().wait()
    await asyncio.sleep(max(0.0, float(options["until"]) - cloud.now()))


async def _until(cloud: Cloud, pod: Pod, share: float, early: float = 0.0) -> None:
    at = pod.accepted_at + pod.planned_boot_seconds * share - early
    delay = at - cloud.now()
    if delay > 0:
        await asyncio.sleep(delay)
    cloud.save()
