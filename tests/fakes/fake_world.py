"""A whole run of a job on one table: the shipped runner and lifecycle over fake ports."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.journal.records import Opened
from rpd.states.facts import Facts
from rpd.states.lifecycles import lifecycle_of
from rpd.states.ports.job import Job
from rpd.states.ports.log_reading import LogReading
from rpd.states.ports.world import Notice, World
from tests.fakes.cloud import FakeCloud
from tests.fakes.driven import RUN_ID, Driven
from tests.fakes.fuse import Fuse
from tests.fakes.lineage import FakeLineage
from tests.fakes.remote import FakeJob, FakeRemote
from tests.journal.samples import opened


class FakeWorkspace:
    """The user's machine: `problems` are what a check of the inputs finds."""

    def __init__(self) -> None:
        self.problems: tuple[str, ...] = ()
        self.manifest: dict[str, Any] | None = None
        self.notices: list[str] = []
        self.log_reading = LogReading()
        self.write_errors: list[Exception] = []

    def check_inputs(self, job: Any, run_dir: str) -> tuple[str, ...]:
        return self.problems

    def notify(self, notice: Notice) -> bool:
        if notice.command is None and notice.webhook is None:
            return False
        self.notices.append(notice.what)
        return True

    def write_pointer(self, path: str, content: dict[str, Any]) -> None:
        """No pointer is asked for here."""

    def remove_pointer(self, path: str, pod_id: str) -> None:
        """No pointer is asked for here."""

    def read_log(self, log_file: str) -> LogReading:
        return self.log_reading

    def write_manifest(self, run_dir: str, manifest: dict[str, Any]) -> str:
        if self.write_errors:
            raise self.write_errors.pop(0)
        self.manifest = manifest
        return "ef"


def job_config(**changes: Any) -> dict[str, Any]:
    """A small job as the journal's record 0 holds it; `changes` replace whole sections."""
    config: dict[str, Any] = {
        "name": "train",
        "pod": {"image": "runpod/pytorch", "gpu_order": ["RTX A5000", "RTX 4090"]},
        "run": {"body": "python train.py"},
        "setup": [{"command": "pip install ."}],
        "staging": [{"source": "/src", "destination": "/workspace/src"}],
        "preflight": [{"command": "nvidia-smi"}],
        "artifacts": [{"label": "model", "remote_path": "/workspace/out", "local_path": "/tmp/out"}],
        "budget": {"cost_cap_usd": 10.0, "ssh_ready_timeout_sec": 300},
    }
    config.update(changes)
    return dict(msgspec.to_builtins(msgspec.convert(config, Job)))


def opened_job(config: dict[str, Any], cloud: dict[str, str], options: dict[str, Any], life: str = "job") -> Opened:
    """Record 0 of its run."""
    fields = {"workflow": "train", "lineage": "l", "config_path": "/c.yaml", "journal_path": "/j", "run_dir": "/run"}
    known = {"lifecycle": life, "config": config, "cloud": cloud, "options": options}
    return opened(**fields, **known, user="user", host="host", token="a" * 26)


class FakeWorld(Driven[Facts, World]):
    """A run of a job, and the world of it."""

    def __init__(
        self, job: FakeJob | None = None, *, life: str = "job", profile: dict[str, str] | None = None, **config: Any
    ) -> None:
        profile = {"name": "test", "url": "http://192.0.2.9", **(profile or {})}
        super().__init__(lifecycle_of(life), opened_job(job_config(**config), profile, {}, life))
        self.cloud = FakeCloud(self.clock)
        self.remote = FakeRemote(self.cloud, self.control)
        self.remote.job = job or FakeJob()
        self.workspace = FakeWorkspace()
        self.lineage = FakeLineage(RUN_ID)

    @property
    def ports(self) -> World:
        return World(self.cloud, self.remote, self.workspace, self.clock, self.lineage)

    def assert_settled(self) -> None:
        """Nothing bills, nothing is owed, the script was executed once at most."""
        assert self.cloud.billing == [], self.journal.events()
        assert self.compute_debts == [], self.journal.events()
        assert len(self.remote.starts) <= 1, self.journal.events()

    def hand_out(self, fuse: Fuse) -> None:
        super().hand_out(fuse)
        self.cloud.fuse = self.remote.fuse = fuse
        self.remote.control = self.control
