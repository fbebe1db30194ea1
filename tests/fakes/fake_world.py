"""A whole run on one table: the shipped runner and lifecycle over fake ports, any number of processes one after
another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Any

import msgspec

from rpd.engine.decision import Decision
from rpd.engine.machine import StateMachine
from rpd.engine.runner import Ending, Runner
from rpd.journal import replay
from rpd.journal.records import Opened, Record, Resumed, Stamp
from rpd.states.facts import Facts
from rpd.states.lifecycles import LIFECYCLES, lifecycle_of
from rpd.states.ports.job import Job
from rpd.states.ports.log_reading import LogReading
from rpd.states.ports.world import Notice, World
from tests.fakes.clock import FakeClock, FakeControl
from tests.fakes.cloud import FakeCloud
from tests.fakes.fuse import Crash, Fuse
from tests.fakes.journal import MemoryJournal
from tests.fakes.lineage import FakeLineage
from tests.fakes.remote import FakeJob, FakeRemote

RUN_ID = "train-20270115T080000Z-abcdef"
MACHINES = {name: StateMachine(lifecycle.table) for name, lifecycle in LIFECYCLES.items()}


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


class Ear:
    """Who is told: keeps the words."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def recorded(self, record: Record) -> None:
        self.heard.append(record.event)

    def doing(self, what: str, deadline: float | None) -> None:
        assert what


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


class FakeWorld:
    """The world, and the durable part of one run. Every `process` is a new runner that knows only the journal."""

    def __init__(
        self,
        job: FakeJob | None = None,
        *,
        life: str = "job",
        profile: dict[str, str] | None = None,
        **config: Any,
    ) -> None:
        self.life = life
        self.clock = FakeClock()
        self.control = FakeControl(self.clock)
        self.cloud = FakeCloud(self.clock)
        self.remote = FakeRemote(self.cloud, self.control)
        self.remote.job = job or FakeJob()
        self.workspace = FakeWorkspace()
        self.lineage = FakeLineage(RUN_ID)
        self.journal = MemoryJournal(RUN_ID, self.clock.now)
        self.config = job_config(**config)
        self.profile = {"name": "test", "url": "http://192.0.2.9", **(profile or {})}
        self.lifecycle = lifecycle_of(life)
        self.options: dict[str, Any] = {}  # what was asked for beside the config
        self.runner: Runner[Facts, World] | None = None
        self.emergency: MemoryJournal | None = None
        self.hear_decision: Callable[[Decision], None] = lambda decision: None

    def process(self, *requests: str, command: str = "run", fuse: Fuse | None = None) -> Ending:
        """One process from start to end; Crash comes through when the fuse says so."""
        records = self.journal.open()
        self._set_fuse(Fuse())
        if not records:
            records = [self.journal.append(self._opened())]
        else:
            records.append(self.journal.append(Resumed(command, "host", 1, "user", "0.1")))
        self.control = FakeControl(self.clock) if fuse is not None else self.control
        self.remote.control = self.control
        for request in requests:
            self.control.ask(request)
        self._set_fuse(fuse or Fuse())
        world = World(self.cloud, self.remote, self.workspace, self.clock, self.lineage)
        self.runner = Runner(
            replace(self.lifecycle, interrupts=self._interrupts),
            MACHINES[self.life],
            records,
            self.journal,
            world,
            clock=self.clock,
            control=self.control,
            listener=Ear(),
            emergency=self._emergency,
        )
        return self.runner.run()

    def decide(self, facts: Facts, now: Stamp) -> Decision:
        """What the lifecycle would do with these facts."""
        decision = self.lifecycle.interrupts(facts.state, facts, now)
        return decision if decision is not None else self.lifecycle.decide[facts.state](facts, now)

    def finish(self, ending: Ending | None = None, tries: int = 8) -> Ending:
        """Resume until the run is closed."""
        while ending is None or not ending.closed:
            assert tries > 0, f"resume does not end: {ending}, {self.journal.events()[-30:]}"
            tries -= 1
            self.clock.advance(5.0)
            ending = self.process(command="resume")
        return ending

    def crash(self, at: int) -> str:
        """Start a process that dies at place `at`; returns the place."""
        fuse = Fuse(at)
        try:
            self.process(fuse=fuse)
        except Crash as crash:
            return str(crash)
        raise AssertionError(f"there is no place {at}")

    @property
    def facts(self) -> Facts:
        assert self.runner is not None
        return self.runner.facts

    @property
    def compute_debts(self) -> list[str]:
        """Open ones, by the journal's own replay."""
        return [key for key, kind in replay.fold(self.journal.records()).debts if kind == "compute"]

    def assert_settled(self) -> None:
        """Nothing bills, nothing is owed, the script was executed once at most."""
        assert self.cloud.billing == [], self.journal.events()
        assert self.compute_debts == [], self.journal.events()
        assert len(self.remote.starts) <= 1, self.journal.events()

    def replayed(self) -> Facts:
        """Facts as a new process would fold them."""
        records = self.journal.records()
        opened = records[0].body
        assert isinstance(opened, Opened)
        facts = self.lifecycle.new_facts(opened, RUN_ID)
        for record in records:
            self.lifecycle.apply(facts, record)
        return facts

    def _interrupts(self, state: StrEnum, facts: Facts, now: Stamp) -> Decision:
        """The whole decision at one place, so that a test can hear it."""
        decision = self.decide(facts, now)
        self.hear_decision(decision)
        return decision

    def _emergency(self) -> MemoryJournal:
        self.emergency = MemoryJournal(RUN_ID, self.clock.now)
        self.emergency.open()
        return self.emergency

    def _set_fuse(self, fuse: Fuse) -> None:
        self.journal.fuse = self.cloud.fuse = self.remote.fuse = fuse

    def _opened(self) -> Opened:
        return Opened(
            tool_version="0.1",
            min_reader=1,
            lifecycle=self.life,
            workflow="train",
            lineage="l",
            config_path="/c.yaml",
            config_sha256="0",
            config=self.config,
            journal_path="/j",
            run_dir="/run",
            cloud=self.profile,
            user="user",
            host="host",
            token="a" * 26,
            options=self.options,
        )
