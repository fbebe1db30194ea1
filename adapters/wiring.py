"""The composition root: from a journal and a cloud to a running loop, by plain constructor calls. Nothing else builds a
world."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

from rpd.adapters.local.clock import SystemClock
from rpd.adapters.local.clouds import Access, redactor_for
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.jobfile import restore_job
from rpd.adapters.local.keys import ssh_key
from rpd.adapters.local.workspace import LocalWorkspace
from rpd.adapters.pod.attention import Attention
from rpd.adapters.pod.remote import PodRemote
from rpd.adapters.renting import Renting
from rpd.adapters.runpod.client import RunPodClient
from rpd.adapters.runpod.cloud import RunPodCloud
from rpd.adapters.ssh.pool import Pool
from rpd.engine.machine import StateMachine
from rpd.engine.ports import Control
from rpd.engine.runner import Ending, Listener, Runner
from rpd.journal.emergency import EmergencyLog
from rpd.journal.records import Opened, Record
from rpd.journal.store import Journal
from rpd.states.facts import Facts, new_facts
from rpd.states.lifecycle import JOB_LIFECYCLE
from rpd.states.table import JOB
from rpd.states.world import Cloud, SshAddress, World


class Listeners:
    """Several listeners as one."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners

    def recorded(self, record: Record) -> None:
        """Tell each."""
        for listener in self._listeners:
            listener.recorded(record)

    def doing(self, what: str, deadline: float | None) -> None:
        """Tell each."""
        for listener in self._listeners:
            listener.doing(what, deadline)


def cloud_for(access: Access, control: Control) -> RunPodCloud:
    """The provider's API behind this access."""
    client = RunPodClient(
        access.profile.url, access.key, interrupted=control.pending, wait=control.wait, random=random.Random()
    )
    return RunPodCloud(client)


def remote_for(cloud: Cloud, key_path: Path | None, control: Control) -> PodRemote:
    """The inside of pods, found through this cloud."""

    def locate(pod_id: str) -> SshAddress | None:
        pod = cloud.get(pod_id)
        return pod.ssh if pod is not None and pod.status == "RUNNING" else None

    attention = Attention(control)
    pool = Pool(locate=locate, key_path=key_path, clock=SystemClock(), control=attention, random=random.Random())
    return PodRemote(pool, attention=attention)


def world_for(opened: Opened, access: Access, control: Control, state_home: Path) -> World:
    """Every port of one run."""
    key = ssh_key(opened.config.get("ssh", {}).get("key_path"), state_home)
    cloud = Renting(cloud_for(access, control), public_key=key.public_line, api_url=access.profile.url)
    remote = remote_for(cloud, None if key.is_in_agent else Path(key.private_path), control)
    return World(cloud, remote, LocalWorkspace(state_home), SystemClock())


def drive(
    journal: Journal, access: Access, control: ProcessControl, listeners: Sequence[Listener], state_home: Path
) -> Ending:
    """Run the loop on an open journal until the run is closed or left."""
    opened = journal.records[0].body
    assert isinstance(opened, Opened), "record 0 opens the journal"
    world = world_for(opened, access, control, state_home)
    clock = SystemClock()

    def emergency() -> EmergencyLog:
        return EmergencyLog(
            state_home, journal.run_id, epoch=journal.epoch, now=clock.now, redactor=redactor_for(access)
        )

    try:
        runner = Runner(
            dataclasses.replace(JOB_LIFECYCLE, new_facts=facts_of),
            StateMachine(JOB),
            journal.records,
            journal,
            world,
            clock=clock,
            control=control,
            listener=Listeners(listeners),
            emergency=emergency,
        )
        return runner.run()
    finally:
        world.remote.close()


def facts_of(opened: Opened, run_id: str) -> Facts:
    """Facts of a new or replayed run; secrets that record 0 keeps masked come from the environment again."""
    job = restore_job(opened.config)
    facts = new_facts(opened, run_id)
    facts.job = job
    return facts
