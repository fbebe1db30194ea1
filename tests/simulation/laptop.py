"""A machine of the person: its clocks, its disk, and the processes that run on it one after the other, each made as the
command line makes them (journal opened, loop driven, what it raises dealt with)."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rpd.adapters.renting import Renting
from rpd.engine.ports import Request
from rpd.engine.runner import Runner
from rpd.journal.emergency import EmergencyLog
from rpd.journal.errors import JournalError, JournalLocked, RecordRefused
from rpd.journal.lock import Owner
from rpd.journal.records import Body, Left, Record, Stamp, Transition
from rpd.journal.redact import Redactor, Secret
from rpd.journal.store import Journal
from rpd.states.facts import Facts
from rpd.states.policy.reuse import adopted_in
from rpd.states.ports.world import World
from tests.fakes.clock import START_WALL, FakeControl
from tests.fakes.driven import build_runner
from tests.fakes.fuse import Crash
from tests.journal.fake_disk import FakeDisk, Inode
from tests.simulation.cloud import CANARY
from tests.simulation.lineage import SimLineage

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

HOME = Path("/home/state/rpd")
BALLAST_BYTES = 2048
PROFILE = {"name": "test", "url": "http://192.0.2.9"}
"""The cloud that the simulated journal names."""


class Leave(BaseException):
    """A second Ctrl-C."""


@dataclass
class End:
    """How one process ended. `how` is "closed", "left", "crashed", "refused" (the journal could not be opened) or
    "trouble" (the journal could not be kept)."""

    how: str
    exit_code: int | None = None
    text: str = ""


class Laptop:
    """One machine. `acked` are the records whose append returned, as (seq, z): nothing of them may ever be lost."""

    def __init__(self, sim: Simulation, name: str, disk: FakeDisk, offset: float = 0.0) -> None:
        self.sim = sim
        self.name = name
        self.disk = disk
        self._hooks = {
            "write": functools.partial(sim.director.moment, "record:write"),
            "sync": functools.partial(sim.director.moment, "record:sync"),
        }
        self.path = HOME / "journals" / "train" / f"{sim.run_id}.jsonl"
        self.acked: list[tuple[int, str]] = []
        self.last_breath: float | None = None
        self.moved: Inode | None = None
        self.ends: list[End] = []
        self._offset = START_WALL + offset
        self._booted_at = -1000.0 - abs(offset)
        self._boots = 1
        self._boot = f"{name}-1"

    # Clocks.

    def now(self) -> Stamp:
        """This machine's three clocks."""
        real = self.sim.clock.real
        return Stamp(real + self._offset, real - self._booted_at, self._boot)

    def set_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock by this much."""
        self._offset += seconds

    def reboot(self) -> None:
        """The power came back."""
        self.sim.clock.advance(60.0)
        self._booted_at = self.sim.clock.real
        self._boots += 1
        self._boot = f"{self.name}-{self._boots}"

    # Processes.

    def has_journal(self) -> bool:
        """Whether the run's journal is there."""
        return self.disk.find(self.path) is not None

    def process(self, command: str, *requests: Request) -> End:
        """One process, from its start to its end."""
        self.sim.say(f"{self.name}: rpd {command}")
        if self.moved is not None and not self.has_journal():
            self.disk.put_back(self.path, self.moved)  # whoever moved it away puts it back
        hooks, self.disk.hooks = self.disk.hooks, self._hooks
        try:
            end = self._process(command, requests)
        except Crash as crash:
            end = self._die(str(crash))
        self.disk.hooks = hooks
        self.ends.append(end)
        code = "" if end.exit_code is None else f", exit code {end.exit_code}"
        self.sim.say(f"{self.name}: {end.how}{code} {end.text}".rstrip())
        return end

    def _process(self, command: str, requests: tuple[Request, ...]) -> End:
        sim = self.sim
        try:
            journal = self._open(command)
        except JournalError as error:
            return End("refused", 9, str(error))
        control = FakeControl(sim.clock, *requests)
        try:
            with sim.driving(self, control):
                sim.oracle.opened(self, journal)
                end = self._drive(journal, control)
        except Crash:
            raise  # who is killed closes nothing
        except BaseException:
            journal.close()
            raise
        with suppress(JournalError):
            journal.close()
        return end

    def _drive(self, journal: Journal, control: FakeControl) -> End:
        writer = Writer(self, journal)
        try:
            runner = self._runner(journal, writer, control)
            ending = runner.run()
        except Leave:
            with suppress(JournalError):
                writer.append(Left("left at once on request", 8))
            return End("left", 8, "at once")
        except JournalLocked as error:
            return End("trouble", 9, str(error))
        except RecordRefused:
            raise  # the disk is well: the program has to see to it that its records can be kept
        except JournalError as error:
            return End("trouble", 9, str(error))
        if self.sim.oracle.in_emergency:
            return End("trouble", ending.exit_code, "the end stands in the emergency log only")
        return End("closed" if ending.closed else "left", ending.exit_code, ending.outcome or ending.why or "")

    def _runner(self, journal: Journal, writer: Writer, control: FakeControl) -> Runner[Facts, World]:
        sim = self.sim
        adopted = adopted_in(journal.records)
        cloud = Renting(
            sim.cloud,
            public_key="",
            api_url=PROFILE["url"],
            run_id=sim.run_id,
            token=sim.opened.token,
            adopted=adopted,
        )
        world = World(cloud, sim.remote, sim.workspace, self, SimLineage(sim, adopted))

        def emergency() -> EmergencyLog:
            sim.oracle.in_emergency = sim.oracle.was_in_emergency = True
            return EmergencyLog(
                HOME,
                sim.run_id,
                epoch=journal.epoch,
                now=self.now,
                disk=self.disk,
                redactor=_redactor(),
                stream=_Void(),
            )

        runner = build_runner(
            sim.lifecycle, world, writer, journal.records,
            clock=self, control=_Control(sim, control), listener=_Ear(sim), machine=sim.machine, emergency=emergency,
        )  # fmt: skip
        sim.oracle.driven(runner)
        sim.director.state = str(runner.state)
        if runner.state == "attend":
            sim.person.is_there()
        return runner

    def _open(self, command: str) -> Journal:
        owner = Owner(command, 4242, self.name, "user")
        if command == "run":
            return Journal.create(
                self.path,
                self.sim.opened,
                run_id=self.sim.run_id,
                now=self.now,
                disk=self.disk,
                redactor=_redactor(),
                ballast_bytes=BALLAST_BYTES,
                owner=owner,
            )
        return Journal.open(
            self.path,
            now=self.now,
            command=command,
            tool_version="0.1",
            disk=self.disk,
            redactor=_redactor(),
            ballast_bytes=BALLAST_BYTES,
            owner=owner,
        )

    def _die(self, how: str) -> End:
        if self.last_breath is None:
            self.disk.kill()
        else:
            self.disk.cut_power(self._keep)
            self.reboot()
        self.last_breath = None
        return End("crashed", None, how)

    def _keep(self, path: Path, durable: bytes, seen: bytes) -> bytes:
        """What a power cut leaves: all that was synced, and a share of what was only written."""
        if not seen.startswith(durable):
            return durable
        extra = seen[len(durable) :]
        share = self.last_breath or 0.0
        return durable + extra[: int(len(extra) * share)]


class Writer:
    """The journal as the loop sees it, with what the judge needs to know of it."""

    def __init__(self, laptop: Laptop, journal: Journal) -> None:
        self._laptop = laptop
        self._journal = journal

    def append(self, body: Body, *, sync: bool = True) -> Record:
        """Append, tell the judge, and let the process die right after."""
        laptop = self._laptop
        record = self._journal.append(body, sync=sync)
        laptop.acked.append((record.seq, record.z))
        laptop.sim.oracle.appended(laptop, record)
        laptop.sim.director.moment("record:done")
        return record


class _Control:
    """Requests from a list; waiting turns the world."""

    def __init__(self, sim: Simulation, control: FakeControl) -> None:
        self._sim = sim
        self._control = control
        self.pending: Callable[[], bool] = control.pending
        self.take: Callable[[], Request | None] = control.take

    def wait(self, seconds: float) -> None:
        self._sim.turn(0.0)
        self._control.wait(seconds)


class _Ear:
    """Who is told: follows where the run stands."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def recorded(self, record: Record) -> None:
        body = record.body
        if type(body) is Transition:
            self._sim.director.state = body.dest
            if body.dest == "attend" and body.trigger != "parked":
                self._sim.person.is_there()
        if self._sim.story is not None:
            self._sim.tell(record)

    def doing(self, what: str, deadline: float | None) -> None:
        """Only for people."""


class _Void(io.StringIO):
    """A terminal nobody reads."""

    def write(self, text: str) -> int:
        return len(text)


_REDACTOR = Redactor(Secret(CANARY))


def _redactor() -> Redactor:
    return _REDACTOR
