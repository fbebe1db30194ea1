"""The one way in which tests build a runner, for every lifecycle, and a run of any lifecycle over ports in memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, Generic

import pytest

from rpd.engine.decision import Decision
from rpd.engine.lifecycle import Lifecycle
from rpd.engine.machine import StateMachine
from rpd.engine.operation import F, W
from rpd.engine.ports import Clock, Control, JournalWriter
from rpd.engine.rule import Table
from rpd.engine.runner import Ending, Listener, Runner
from rpd.journal import replay
from rpd.journal.records import Opened, Record, Resumed, Stamp
from tests.fakes.clock import FakeClock, FakeControl
from tests.fakes.fuse import Crash, Fuse
from tests.fakes.journal import MemoryJournal

RUN_ID = "train-20270115T080000Z-abcdef"


class Ear:
    """The port `Listener`: keeps the events, and what is waited for."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.doings: list[str] = []

    def recorded(self, record: Record) -> None:
        self.heard.append(record.event)

    def doing(self, what: str, deadline: float | None) -> None:
        assert what
        self.doings.append(what)


@functools.cache
def machine_of(table: Table) -> StateMachine:
    """Runs share it."""
    return StateMachine(table)


def build_runner(
    lifecycle: Lifecycle[F, W],
    ports: W,
    journal: JournalWriter,
    records: Sequence[Record],
    *,
    clock: Clock,
    control: Control,
    listener: Listener | None = None,
    machine: StateMachine | None = None,
    loop: type[Runner[F, W]] = Runner,
    **more: Any,
) -> Runner[F, W]:
    """The shipped loop, or `loop` in its place. `more` are the emergency log and the mask."""
    machine = machine or machine_of(lifecycle.table)
    listener = listener or Ear()
    return loop(lifecycle, machine, records, journal, ports, clock=clock, control=control, listener=listener, **more)


class Driven(Generic[F, W]):
    """One run of any lifecycle, over ports in memory and in virtual time: what of it outlives its processes. Each
    `process` is a new runner, which knows only the journal."""

    def __init__(self, lifecycle: Lifecycle[F, W], opened: Opened) -> None:
        self.lifecycle, self.opened = lifecycle, opened
        self.clock = FakeClock()
        self.control = FakeControl(self.clock)
        self.journal = MemoryJournal(RUN_ID, self.clock.now)
        self.emergency: MemoryJournal | None = None
        self.ear = Ear()
        self.hear_decision: Callable[[Decision], None] = lambda decision: None
        self.runner: Runner[F, W] | None = None

    # What a lifecycle's own world fills in.

    @property
    def ports(self) -> W:
        """The world of the next process."""
        raise NotImplementedError

    def hand_out(self, fuse: Fuse) -> None:
        """The parts of the world get the fuse and the control of the next process."""
        self.journal.fuse = fuse

    # Processes.

    def build(self, records: Sequence[Record], **more: Any) -> Runner[F, W]:
        """A process that has read these records."""
        lifecycle = replace(self.lifecycle, interrupts=self._decide)  # the whole decision, so that a test can hear it
        self.runner = build_runner(
            lifecycle, self.ports, self.journal, records,
            clock=self.clock, control=self.control, listener=self.ear, emergency=self._open_emergency, **more,
        )  # fmt: skip
        return self.runner

    def process(self, *requests: str, command: str = "run", fuse: Fuse | None = None) -> Ending:
        """One process from start to end; Crash comes through when the fuse says so."""
        records = self.journal.open()
        self.hand_out(Fuse())
        body = Resumed(command, "host", 1, "user", "0.1") if records else self.opened
        records.append(self.journal.append(body))
        self.control = FakeControl(self.clock) if fuse is not None else self.control
        for request in requests:
            self.control.ask(request)
        self.hand_out(fuse or Fuse())
        return self.build(records).run()

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
        with pytest.raises(Crash) as crash:
            self.process(fuse=Fuse(at))
        return str(crash.value)

    # What is known of it.

    @property
    def facts(self) -> F:
        """Those of the last process."""
        assert self.runner is not None
        return self.runner.facts

    @property
    def compute_debts(self) -> list[str]:
        """Open ones, by the journal's own replay."""
        return [key for key, kind in replay.fold(self.journal.records()).debts if kind == "compute"]

    def replayed(self) -> F:
        """Facts as a new process would fold them."""
        facts = self.lifecycle.new_facts(self.opened, RUN_ID)
        for record in self.journal.records():
            self.lifecycle.apply(facts, record)
        return facts

    def decide(self, state: StrEnum, facts: F, now: Stamp) -> Decision:
        """What the lifecycle would do with these facts."""
        decision = self.lifecycle.interrupts(state, facts, now)
        return decision if decision is not None else self.lifecycle.decide[state](facts, now)

    def _decide(self, state: StrEnum, facts: F, now: Stamp) -> Decision:
        decision = self.decide(state, facts, now)
        self.hear_decision(decision)
        return decision

    def _open_emergency(self) -> MemoryJournal:
        self.emergency = MemoryJournal(RUN_ID, self.clock.now)
        self.emergency.open()
        return self.emergency
