"""What befalls pods from outside: somebody stops or deletes them, the money runs out, the host goes down, and faults
that are armed or cleared while pods are there."""

from __future__ import annotations

from rpd.adapters.sandbox.cloud import clinging, faults, ledger
from rpd.adapters.sandbox.cloud.model import RUNNING, TERMINATED, ArmedFault, Pod
from rpd.adapters.sandbox.cloud.ports import Cloud


def arm(cloud: Cloud, fault: ArmedFault) -> None:
    """Put a fault in wait; where a pod is there already that it concerns, it takes hold at once. Raises Problem."""
    faults.arm(cloud.state, fault)
    for pod in cloud.newest_first():
        if not pod.is_live:
            continue
        if fault.id in faults.EXTERNAL:
            for stage in _stages_behind(pod):
                milestone(cloud, pod, stage, only=fault.id)
        elif fault.id in faults.CLINGING and fault.pod in (pod.id, pod.name):
            options = faults.strike(cloud.state, fault.id, pod)
            if options is not None:
                _cling_live(cloud, pod, fault.id, options)
    cloud.save()


def clear(cloud: Cloud, fault_id: str | None) -> None:
    """Disarm one fault, or all, and let go of the pods they hold (a boot that is stuck for ever stays stuck)."""
    state = cloud.state
    state.faults = [fault for fault in state.faults if fault_id not in (None, fault.id)]
    if fault_id in (None, "F11"):
        state.storm = {}
    for pod in state.pods.values():
        for held in list(pod.afflictions):
            if fault_id in (None, held):
                del pod.afflictions[held]
                if held in ("F19", "F40") and pod.has_booted:
                    clinging.bend_ssh(cloud, pod)
                elif held == "F44":
                    cloud.runtime.set_service_fault(pod.id, None)
                elif held == "F42" and pod.has_booted:
                    clinging.limit_sessions(cloud, pod)
    cloud.save()


def milestone(cloud: Cloud, pod: Pod, stage: str, only: str | None = None) -> None:
    """The pod reached a stage; faults from outside that wait for it strike."""
    for fault_id in sorted(faults.EXTERNAL if only is None else {only}):
        options = faults.strike(cloud.state, fault_id, pod, fits=lambda o: o.get("at", "running") == stage)
        if options is not None:
            _strike_later(cloud, pod, fault_id, options)


async def empty_balance(cloud: Cloud) -> None:
    """The money is gone: pods with a network volume are stopped, others deleted with their data."""
    cloud.state.deposited_usd = ledger.spent(cloud.state, cloud.now())
    for pod in cloud.newest_first():
        if pod.status == TERMINATED:
            continue
        if pod.network_volume_id is None:
            await cloud.delete(pod)
        else:
            await stop_from_outside(cloud, pod)


async def stop_from_outside(cloud: Cloud, pod: Pod) -> None:
    """Somebody else stops the pod, locked or not."""
    async with cloud.lock(pod):
        if pod.is_live:
            await cloud.halt(pod)


async def cut_link(cloud: Cloud, pod: Pod, options: dict[str, str]) -> None:
    """The way to the pod's sshd is gone, for open connections too; the container is left alone."""
    if not pod.is_live:
        return
    pod.afflictions["F40"] = options
    clinging.bend_ssh(cloud, pod)
    await cloud.runtime.hang_up(pod.id)
    cloud.save()
    clinging.let_go_of_ssh(cloud, pod, "F40")


async def hide_host(cloud: Cloud, pod: Pod, then: str, seconds: float) -> None:
    """The pod's host goes down under it: RUNNING, and nobody there. `then`: back, exited or nothing."""
    async with cloud.lock(pod):
        if not pod.is_live:
            return
        await cloud.end_work(pod)
        pod.status = RUNNING
        await cloud.runtime.unlisten(pod.id)
        await cloud.runtime.stop(pod.id)
        cloud.save()

    async def return_host() -> None:
        if then == "exited":
            await stop_from_outside(cloud, pod)
            return
        async with cloud.lock(pod):
            if pod.is_live:
                pod.accepted_at = cloud.now()
                cloud.boot(pod, is_first=False)

    if then != "nothing":
        cloud.errands.later(seconds, return_host, owner=pod.id)


def _strike_later(cloud: Cloud, pod: Pod, fault_id: str, options: dict[str, str]) -> None:
    async def strike() -> None:
        if fault_id == "F27":
            await empty_balance(cloud)
        elif fault_id == "F40":
            await cut_link(cloud, pod, options)
        elif fault_id == "F28":
            await hide_host(cloud, pod, options.get("then", "back"), faults.number(options, "seconds", 5.0))
        elif options.get("how") == "delete":
            await cloud.delete(pod)
        else:
            await stop_from_outside(cloud, pod)

    cloud.errands.later(faults.number(options, "delay", 0.0), strike)


def _stages_behind(pod: Pod) -> list[str]:
    stages = ["provisioning"] * pod.is_placed + ["starting"] * (pod.status != "PROVISIONING")
    return stages + ["running"] * (pod.status == RUNNING) + ["ssh"] * (pod.ssh_logins > 0)


def _cling_live(cloud: Cloud, pod: Pod, fault_id: str, options: dict[str, str]) -> None:
    if fault_id == "F25" and options.get("how") == "once":
        cloud.runtime.crash(pod.id)
        return
    clinging.cling(cloud, pod, fault_id, options)
    if fault_id == "F19" and pod.has_booted:
        clinging.bend_ssh(cloud, pod)
        clinging.let_go_of_ssh(cloud, pod, "F19")
    elif fault_id == "F44" and pod.has_booted:
        clinging.spoil_service(cloud, pod)
    elif fault_id == "F42" and pod.has_booted:
        clinging.limit_sessions(cloud, pod)
    elif fault_id == "F25" and pod.status == RUNNING:
        cloud.errands.run(clinging.crash_now(cloud, pod), owner=pod.id)
        clinging.end_crashes(cloud, pod)
