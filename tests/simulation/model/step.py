"""One step of the shipped runner from a situation, with one course of the world's answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rpd.engine.lifecycle import Lifecycle
from rpd.engine.machine import Position, StateMachine
from rpd.engine.ports import Request
from rpd.engine.rule import Table
from rpd.engine.runner import Ending, Runner
from rpd.journal.records import Body, Intent, Observation, Outcome, Record, Resumed, Transition
from rpd.states.facts import Facts
from rpd.states.policy import rules as policy
from rpd.states.ports.names import Trigger
from rpd.states.ports.world import World
from tests.fakes.driven import build_runner
from tests.simulation.model.choices import Choices
from tests.simulation.model.cloud import ModelCloud
from tests.simulation.model.facts_copy import twin
from tests.simulation.model.lineage import ModelLineage
from tests.simulation.model.node import Node, verified_here
from tests.simulation.model.reality import Died, Reality, StepOver, Violation
from tests.simulation.model.remote import ModelRemote, ModelWorkspace
from tests.simulation.model.truth import PodStatus, Truth, changed

RUN_ID = "model-20270115T080000Z-abcdef"


class OneRun(StateMachine):
    """The shipped machine with one position, so that it can be looked at from outside while the runner acts."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self.position = super().enter(None)

    def enter(self, state: str | None) -> Position:
        """The position, in `state`."""
        self.position.state = self.table.initial if state is None else self.table.states(state)
        return self.position


class StepJournal:
    """The port `JournalWriter`: keeps the records of one step, and sees that each is durable before anything moves."""

    def __init__(self, reality: Reality, machine: OneRun, seq: int, epoch: int) -> None:
        self.reality, self.machine, self.epoch = reality, machine, epoch
        self.seq = seq
        self.records: list[Record] = []

    def append(self, body: Body, *, sync: bool = True) -> Record:
        """One record."""
        if not sync:
            raise Violation(f"{_name(body)} is written without a sync")
        if isinstance(body, Transition) and self.machine.position.state != body.source:
            raise Violation(f"{body.source} --{body.trigger}--> {body.dest} moves before its record is durable")
        self.seq += 1
        record = Record(
            self.seq, self.epoch, RUN_ID, self.reality.now(), "", _name(body), type(body).__name__, True, "", "z", body
        )
        self.records.append(record)
        self.reality.last_record = record
        return record


class OneStep:
    """The port `Control`: hands over one request, or lets the loop go round once."""

    def __init__(self, reality: Reality, request: Request | None) -> None:
        self.reality, self.request = reality, request
        self._rounds = 0
        self._only_request = request is not None

    def pending(self) -> bool:
        """Nobody asks while a call is under way; that is an edge of its own."""
        return False

    def take(self) -> Request | None:
        """The request, then nothing once, then the step is over."""
        if self.request is not None:
            request, self.request = self.request, None
            return request
        if self._only_request or self._rounds:
            raise StepOver
        self._rounds += 1
        return None

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.reality.pass_time(seconds)


@dataclass(slots=True)
class Stepped:
    """What a step left behind."""

    facts: Facts
    tail: tuple[Record, ...]
    moves: list[Transition]
    truth: Truth
    at: float
    is_live: bool
    is_closed: bool


class Engine:
    """The shipped lifecycle (or one with a planted fault), ready to take single steps."""

    def __init__(self, lifecycle: Lifecycle[Facts, World], loop: type[Runner[Facts, World]] = Runner) -> None:
        self.lifecycle = lifecycle
        self.loop = loop
        self.machine = OneRun(lifecycle.table)
        self._known = -1  # the last record that the checkpoint of this step has
        self._facts: Facts | None = None
        self._from_checkpoint = replace(lifecycle, new_facts=lambda opened, run: self._facts, apply=self._apply)

    def step(
        self, node: Node, choices: Choices, *, request: Request | None = None, command: str | None = None
    ) -> Stepped:
        """Go round the loop once; with `request`, only take it; with `command`, as a new process. Raises Violation."""
        facts = self._facts = twin(node.facts)
        known = self._known = facts.progress.seq
        reality = Reality(node.truth, node.at, choices)
        reality.spared = spared(facts, node.truth)
        journal = StepJournal(reality, self.machine, known, facts.process.epoch + (command is not None))
        records = list(node.tail)
        if command is not None:
            records.append(journal.append(Resumed(command, "host", 1, "user", "0.1")))
        before = node.pending
        reality.probing = f"{before.op} in state {before.state}" if before is not None else None
        lineage = ModelLineage(reality, facts.opened.config)
        world = World(ModelCloud(reality), ModelRemote(reality), ModelWorkspace(reality), reality, lineage)
        runner = build_runner(
            self._from_checkpoint, world, journal, records,
            clock=reality, control=OneStep(reality, request), machine=self.machine, loop=self.loop,
        )  # fmt: skip
        is_live, ending = True, None
        if request is not None or command is None:
            is_live, ending = self._run(node, runner)
        moves = [record.body for record in journal.records if isinstance(record.body, Transition)]
        self._judge_memory(node, moves)
        self._judge_connected(reality, facts, moves)
        if before is not None and request is None and command is None:
            self._judge_probe(before, journal.records)
        is_closed = ending is not None and ending.closed
        is_live = is_live and ending is None
        return Stepped(facts, _tail(node.tail, journal.records), moves, reality.truth, reality.at, is_live, is_closed)

    def _apply(self, into: Facts, record: Record) -> None:
        if not 0 <= record.seq <= self._known:  # else the checkpoint has it already
            self.lifecycle.apply(into, record)

    def _run(self, node: Node, runner: Runner[Facts, World]) -> tuple[bool, Ending | None]:
        try:
            return True, runner.run()
        except StepOver:
            return True, None
        except Died:
            return False, None
        except Exception as error:
            what = f"the probe of {node.pending.op}" if node.pending else "the step"
            raise Violation(f"{what} raises {type(error).__name__}: {error}") from error

    def _judge_memory(self, node: Node, moves: list[Transition]) -> None:
        """Memory stands where the last record of a move says, and nowhere else."""
        stands, told = str(self.machine.position.state), moves[-1].dest if moves else str(node.facts.state)
        if stands != told:
            raise Violation(f"memory moves to {stands} without a record; the journal says {told}")

    def _judge_connected(self, reality: Reality, facts: Facts, moves: list[Transition]) -> None:
        """Who is told that the session is connected works in its pod, and finds the services there."""
        for move in moves:
            pod = reality.truth.named(facts.current)
            if move.trigger == Trigger.CONNECTED and pod is not None:
                if not pod.has_answered:
                    raise Violation("connected is said, and no service has answered")
                reality.put(changed(pod, person=True))

    def _judge_probe(self, before: Intent, records: list[Record]) -> None:
        """An open intent is followed by its probe, once, and by nothing else."""
        for record in records:
            body = record.body
            is_probe = isinstance(body, Outcome) and body.opid == before.opid and body.settled
            if not is_probe or record is not records[0]:
                raise Violation(f"an unknown {before.op} is followed by {_name(body)}, not by its one probe")


def spared(facts: Facts, truth: Truth) -> dict[str, str]:
    """Pods that must not be deleted now, and why. A delete that was accepted once was judged then."""
    if verified_here(facts) or told_to_delete(facts):
        return {}
    held = (pod for pod in truth.pods if not pod.is_doomed)
    return {
        pod.id: "what a person did in it is nowhere else" if pod.person else "its results are nowhere else"
        for pod in held
        if pod.holds_results or (pod.person and pod.life is not PodStatus.GONE)
    }


def told_to_delete(facts: Facts) -> bool:
    """A person said delete; or the config names it for such an end, and what could be fetched was tried."""
    if facts.request in policy.WITH_WISH and facts.process.asked.how == "delete":
        return True
    lifecycle = facts.job.lifecycle
    named = "delete" in (lifecycle.on_failure, lifecycle.on_interrupt)
    return named and facts.results.gave_up


def _tail(tail: tuple[Record, ...], records: list[Record]) -> tuple[Record, ...]:
    opened, moved = tail[0], None
    intents: dict[str, Record] = {}
    for record in (*tail[1:], *records):
        match record.body:
            case Transition():
                moved = record
            case Intent() as intent:
                intents[intent.opid] = record
            case Outcome() as outcome if outcome.status != "unknown" or outcome.settled:
                intents.pop(outcome.opid, None)
            case _:
                pass
    return (opened, *((moved,) if moved is not None else ()), *intents.values())


def _name(body: Any) -> str:
    match body:
        case Intent() | Outcome():
            return f"the {type(body).__name__.lower()} of {body.op}"
        case Transition():
            return f"the move {body.source} --{body.trigger}--> {body.dest}"
        case Observation():
            return f"the look {body.op}"
        case _:
            return f"the record {type(body).__name__}"
