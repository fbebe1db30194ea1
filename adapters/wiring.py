"""The composition root: from a journal and a cloud to a running loop, by plain constructor calls. No other module
builds a world."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from rpd.adapters.access.clouds import Access, redactor_for
from rpd.adapters.access.keys import SshKey, ssh_key
from rpd.adapters.access.opening import open_journal
from rpd.adapters.forensics.lineage import LocalLineage
from rpd.adapters.local import dirs, own_log
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.secret_content import values_in
from rpd.adapters.pod.attention import Attention
from rpd.adapters.pod.remote import PodRemote
from rpd.adapters.pod.services import Services
from rpd.adapters.renting import Renting
from rpd.adapters.report.pace import Pace
from rpd.adapters.run_folder.workspace import LocalWorkspace
from rpd.adapters.runpod.client import RunPodClient
from rpd.adapters.runpod.cloud import RunPodCloud
from rpd.adapters.settings.settings import log_level
from rpd.adapters.spec.jobfile import restore_job
from rpd.adapters.ssh.connection import Connection
from rpd.adapters.ssh.pool import Locate, Pool
from rpd.adapters.terminal import output
from rpd.adapters.tunnels.forwards import Forwards
from rpd.engine.errors import Unavailable, UserError
from rpd.engine.machine import StateMachine
from rpd.engine.ports import Clock, Control
from rpd.engine.runner import Ending, Listener, Runner
from rpd.journal.emergency import EmergencyLog
from rpd.journal.records import Opened, Record
from rpd.journal.redact import Redactor
from rpd.journal.store import Journal
from rpd.states.facts import Facts, new_facts
from rpd.states.lifecycles import lifecycle_of
from rpd.states.policy.reuse import handed_over_in
from rpd.states.ports.faults import Fault
from rpd.states.ports.volume import VolumeCloud, VolumeWorld
from rpd.states.ports.world import Cloud, SshAddress, Target, World
from rpd.states.volume.facts import VolumeFacts
from rpd.states.volume.lifecycle import VOLUME_LIFECYCLE


class Listeners:
    """Several listeners as one."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners

    def recorded(self, record: Record) -> None:
        """Pass it to each."""
        for listener in self._listeners:
            listener.recorded(record)

    def doing(self, what: str, deadline: float | None) -> None:
        """Pass it to each."""
        for listener in self._listeners:
            listener.doing(what, deadline)


def client_for(access: Access, control: ProcessControl, redactor: Redactor | None = None) -> RunPodClient:
    """The provider's API itself. `redactor` knows what no text may hold; None: everything that is a secret anyway. From
    here on rpd's own log is kept."""
    with contextlib.suppress(UserError):
        home = dirs.state_home()
        own_log.begin(home, lambda text: output.note([text]), usual=log_level())
    return RunPodClient(
        access.profile.url,
        access.key,
        interrupted=control.pending,
        wait=control.wait,
        random=random.Random(),
        patience=control.patience,
        redactor=redactor or redactor_for(access),
    )


def cloud_for(access: Access, control: ProcessControl, redactor: Redactor | None = None) -> RunPodCloud:
    """The provider's API behind this access."""
    return RunPodCloud(client_for(access, control, redactor))


def cloud_of_run(
    opened: Opened,
    run_id: str,
    access: Access,
    control: ProcessControl,
    *,
    public_key: str = "",
    handed_over: Mapping[str, str] | None = None,
    redactor: Redactor | None = None,
) -> Renting:
    """The cloud for one run. It sees and touches only the run's own pods, and those that were handed over to it."""
    return Renting(
        cloud_for(access, control, redactor),
        public_key=public_key,
        api_url=access.profile.url,
        run_id=run_id,
        token=opened.token,
        handed_over=handed_over,
    )


def remote_for(
    cloud: Cloud,
    key_path: Path | None,
    control: Control,
    redactor: Redactor,
    tell: Callable[[str], object] = lambda text: None,
    services: Services | None = None,
) -> PodRemote:
    """The inside of pods, found through this cloud. `tell` gets the progress of transfers. `services` are for a
    session."""

    attention = Attention(control)
    pool = pool_for(cloud, key_path, attention, redactor)
    return PodRemote(pool, attention=attention, progress=lambda what: Pace(what, tell), services=services)


def pool_for(
    cloud: Cloud, key_path: Path | None, control: Control, redactor: Redactor, locate: Locate | None = None
) -> Pool:
    """Connections to pods, found through this cloud or by `locate`. `key_path` None asks the agent."""
    return Pool(
        locate=locate or functools.partial(address_of, cloud),
        key_path=key_path,
        clock=SystemClock(),
        control=control,
        random=random.Random(),
        redactor=redactor,
    )


def forwards_into(
    target: Target,
    cloud_for_thread: Callable[[ProcessControl], Cloud],
    key_path: Path | None,
    redactor: Redactor,
    tell: Callable[[str], object] = lambda text: None,
    address: SshAddress | None = None,
) -> Forwards:
    """Ports of this machine that lead into this pod, over an SSH connection of their own: a session of HTTP and a pool
    belong to one thread. The target has the pinned host key. `address` is where the pod is now, if that is known; later
    the cloud is asked."""
    control = ProcessControl()
    cloud = cloud_for_thread(control)
    known = [] if address is None else [address]
    pool = pool_for(
        cloud, key_path, control, redactor, lambda pod_id: known.pop() if known else address_of(cloud, pod_id)
    )

    def connect() -> Connection:
        return pool.connection(target.pod_id, host_key=target.host_key, deadline_seconds=0.0)

    return Forwards(connect, hang_up=pool.close, control=control, tell=tell)


def address_of(cloud: Cloud, pod_id: str) -> SshAddress | None:
    """The present address of the pod. None while the pod is coming up. Raises Unavailable, without a retry, if waiting
    cannot give it an address: the pod is stopped or missing, and its state has to know that at once."""
    pod = cloud.get(pod_id)
    status = pod.status if pod is not None else "TERMINATED"
    if status in ("EXITED", "TERMINATED"):
        what = "is stopped" if status == "EXITED" else "is not in the account"
        raise Unavailable(f"pod {pod_id} {what}", reason=Fault.SSH_UNREACHABLE, retryable=False)
    return pod.ssh if pod is not None and status == "RUNNING" else None


def world_for(
    opened: Opened,
    run_id: str,
    access: Access,
    control: ProcessControl,
    state_home: Path,
    *,
    handed_over: dict[str, str],
    redactor: Redactor | None = None,
    needs_key: bool = True,
    tell: Callable[[str], object] = lambda text: None,
) -> World:
    """Every port of one run. `redactor` masks the texts of the cloud and the pod before anything of them is cut. `tell`
    gets the progress of transfers. Raises UserError if its SSH key is not available, unless the run only has to end:
    rpd can give a pod back without the key."""
    named = opened.config.get("ssh", {}).get("key_path")
    try:
        key = ssh_key(named, state_home)
    except UserError:
        if needs_key:
            raise
        key = SshKey(str(named), "")
    hidden = redactor or redactor_for(access, opened=opened)
    key_path = Path(key.private_path)

    def cloud_for_thread(control: ProcessControl) -> Cloud:
        return cloud_of_run(
            opened, run_id, access, control, public_key=key.public_line, handed_over=handed_over, redactor=hidden
        )

    cloud = cloud_for_thread(control)
    services = Services(lambda target: forwards_into(target, cloud_for_thread, key_path, hidden, tell))
    remote = remote_for(cloud, key_path, control, hidden, tell, services)
    opening = functools.partial(open_journal, access=access, command=f"hand-over to {run_id}")
    lineage = LocalLineage(state_home, opened, run_id, opening, handed_over)
    return World(cloud, remote, LocalWorkspace(state_home, redactor=hidden), SystemClock(), lineage)


def drive(
    journal: Journal,
    access: Access,
    control: ProcessControl,
    listeners: Sequence[Listener],
    state_home: Path,
    *,
    needs_secrets: bool = True,
    needs_key: bool = True,
) -> Ending:
    """Run the loop on an open journal until the run is closed or left. A run that only has to end needs neither the
    job's secrets nor its SSH key. Raises UserError if something that it needs is missing."""
    opened = journal.records[0].body
    assert isinstance(opened, Opened), "record 0 opens the journal"
    journal.hide(*values_in(opened.config, said=msgspec.to_builtins(opened)))
    handed_over = handed_over_in(journal.records)
    listener = Listeners(listeners)
    world = world_for(
        opened,
        journal.run_id,
        access,
        control,
        state_home,
        handed_over=handed_over,
        redactor=journal.redactor,
        needs_key=needs_key,
        tell=lambda text: listener.doing(journal.redactor.mask(text), None),
    )
    clock, lifecycle = SystemClock(), lifecycle_of(opened.lifecycle)
    try:
        return Runner(
            dataclasses.replace(lifecycle, new_facts=functools.partial(facts_of, needs_secrets=needs_secrets)),
            StateMachine(lifecycle.table),
            journal.records,
            journal,
            world,
            clock=clock,
            control=control,
            listener=listener,
            emergency=lambda: EmergencyLog(
                state_home,
                journal.run_id,
                epoch=journal.epoch,
                now=clock.now,
                redactor=journal.redactor,
            ),
            mask=journal.redactor.mask_data,
        ).run()
    finally:
        world.remote.close()


def volume_runner(
    journal: Journal, cloud: VolumeCloud, control: Control, listener: Listener, clock: Clock
) -> Runner[VolumeFacts, VolumeWorld]:
    """The loop of one order for a network volume, on its open journal. Raises JournalStrange."""
    return Runner(
        VOLUME_LIFECYCLE,
        StateMachine(VOLUME_LIFECYCLE.table),
        journal.records,
        journal,
        VolumeWorld(cloud, clock),
        clock=clock,
        control=control,
        listener=listener,
        mask=journal.redactor.mask_data,
    )


def facts_of(opened: Opened, run_id: str, *, needs_secrets: bool = True) -> Facts:
    """Facts of a new or replayed run. Secrets that record 0 keeps masked come from the environment again. Raises
    UserError if a needed secret is missing."""
    facts = new_facts(opened, run_id)
    if needs_secrets:
        facts.job = restore_job(opened.config)
    return facts
