"""The breadth-first search: from record 0 of a job, every step of the engine, the world, the people and the process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rpd.engine.decision import Decision, Fire
from rpd.engine.lifecycle import Lifecycle
from rpd.engine.ports import Request
from rpd.engine.runner import Runner
from rpd.journal.records import Record, Stamp
from rpd.states.facts import Facts
from rpd.states.ports.names import WITH_JOB, State
from rpd.states.ports.world import World
from tests.fakes.fake_world import opened_job
from tests.simulation.model.choices import Choices, every_course
from tests.simulation.model.events import by_itself
from tests.simulation.model.fair import Able, walk
from tests.simulation.model.invariants import faults_at
from tests.simulation.model.jobs import SERVICES
from tests.simulation.model.node import Node, axes_of, key_of, label, open_intent
from tests.simulation.model.reality import Violation, stamp
from tests.simulation.model.step import RUN_ID, Engine, Stepped
from tests.simulation.model.truth import OLD_NAME, OLD_RUN, PodStatus, PodTruth, Truth

SLEEPS = (700.0, 3000.0, 5000.0)
"""Seconds: past every patience of a state; past the money of the job; past its time."""
INTERRUPT = Request("interrupt", "person", {"terminal": True})
REQUESTS = (INTERRUPT, Request("terminate", "person"), Request("cancel", "person"), Request("detach", "person"))
"""What may be asked of a living engine while the job may run; before and after that, all mean the same as the first."""
LEAVING = {how: Request("leave", "person", {"how": how} if how else {}) for how in ("", "stop", "delete")}
"""How a person leaves a session, the first without an answer."""
KEPT_SECONDS = 900.0
COMMANDS: tuple[tuple[str, Request | None], ...] = (
    ("resume", None),
    ("gc", Request("gc", "person")),
    ("release", Request("release", "person", {"how": "delete"})),
)
FAULTS_MAX = 20
"""Found so many kinds of fault, the search stops: they have one cause."""
STUCK_MAX = 3
"""So many situations that cannot end are enough to see why; each costs a long walk."""


@dataclass(slots=True, repr=False)
class SearchResult:
    """What a search saw. `faults` maps each sentence to the first story that shows it; `fair_into` each situation to
    those from which it follows while nothing fails, nobody meddles and nobody dies."""

    nodes: dict[tuple[object, ...], Node] = field(default_factory=dict)
    edges: int = 0
    faults: dict[str, list[str]] = field(default_factory=dict)
    fair_into: dict[Node, list[Node]] = field(default_factory=dict)
    moves: dict[tuple[str, str, str], Node] = field(default_factory=dict)  # (source, trigger, dest) -> first from where
    unknowns: set[tuple[str, str]] = field(default_factory=set)  # (state, op) of which the outcome was not known once
    is_complete: bool = False

    def blame(self, sentence: str, node: Node, edge: str = "") -> None:
        """A fault, kept with the first story that shows it."""
        if sentence not in self.faults:
            self.faults[sentence] = [*node.story(), *((edge,) if edge else ())]


def _truth(facts: Facts) -> Truth:
    """A job that takes paused pods up finds one."""
    if facts.job.lifecycle.on_success != "recycle":
        return Truth()
    env = (("RPD_RUN_ID", OLD_RUN),)
    return Truth((PodTruth("pod-old", OLD_NAME, env, -1e6, PodStatus.EXITED, was_shown=True, is_others=True),))


def _requests(node: Node) -> tuple[Request, ...]:
    """What may be asked of a living engine here."""
    if node.facts.state is not State.ATTEND:
        return REQUESTS if node.axes.state in WITH_JOB else (INTERRUPT,)
    keep = {"how": "preserve", "until": stamp(node.at).wall + KEPT_SECONDS}
    return (
        INTERRUPT,
        Request("cancel", "person"),
        *(LEAVING[how] for how in LEAVING),
        Request("leave", "person", keep),
    )


class Search:
    """One search over one job under one lifecycle, driven by the shipped loop or one with a planted fault."""

    def __init__(
        self,
        lifecycle: Lifecycle[Facts, World],
        config: dict[str, Any],
        *,
        loop: type[Runner[Facts, World]] = Runner,
        faults_max: int = FAULTS_MAX,
    ) -> None:
        self.engine = Engine(lifecycle, loop)
        self.lifecycle = lifecycle
        self.faults_max = faults_max
        self.found = SearchResult()
        self._queue: deque[Node] = deque()
        self._root(config)

    def run(self) -> SearchResult:
        """Explore everything that can be reached."""
        while self._queue and len(self.found.faults) < self.faults_max:
            node = self._queue.popleft()
            if node.is_closed:
                continue
            self._world(node)
            if node.is_live:
                self._engine(node)
                self._people(node)
            else:
                self._return(node)
        if not self._queue:
            self.found.is_complete = True
            self._ends()
        return self.found

    def _root(self, config: dict[str, Any]) -> None:
        life = self.lifecycle.table.name
        options = SERVICES if life == "session" else {}
        opened = opened_job(config, {"name": "model", "url": "http://192.0.2.9"}, options, life)
        first = Record(0, 1, RUN_ID, stamp(0.0), "", "opened", "opened", True, "", "z", opened)
        facts = self.lifecycle.new_facts(opened, RUN_ID)
        self.lifecycle.apply(facts, first)
        self._arrive(
            None, "the run begins", Stepped(facts, (first,), [], _truth(facts), 0.0, True, False), is_fair=True
        )

    # Edges.

    def _engine(self, node: Node) -> None:
        """The loop goes round once, with every course of answers."""
        pending = node.pending
        word = f"settle {pending.op}" if pending is not None else label(node.decision)
        if pending is not None and (node.axes.state, pending.op) not in self.found.unknowns:
            self.found.unknowns.add((node.axes.state, pending.op))
            sentence = f"nothing settles an unknown {pending.op}: no probe answers"
            self._walk(node, lambda later: later.pending is None, sentence)
        for choices, stepped in every_course(lambda choices: self._try(node, choices)):
            edge = f"{word}: {', '.join(choices.words) or 'ok'}"
            if isinstance(stepped, Violation):
                self.found.blame(f"{node.axes.state}: {stepped}", node, edge)
                continue
            for move in stepped.moves:
                self.found.moves.setdefault((move.source, move.trigger, move.dest), node)
            self._arrive(node, edge, stepped, is_fair=choices.is_fair)

    def _try(self, node: Node, choices: Choices) -> Stepped | Violation:
        try:
            return self.engine.step(node, choices)
        except Violation as violation:
            return violation

    def _people(self, node: Node) -> None:
        """The process dies, the machine sleeps, somebody asks for something."""
        self._change(node, "the process dies", is_live=False)
        if not isinstance(node.decision, Fire):
            for seconds in SLEEPS:
                self._change(node, f"the machine sleeps {seconds:.0f} s", seconds=seconds)
        if not node.facts.process.requests:
            for request in _requests(node):
                self._outside(node, f"{request.what} {request.detail.get('how', '')}", request, None)

    def _return(self, node: Node) -> None:
        """Nobody drives the run: somebody comes back, or nobody does."""
        for command, request in COMMANDS:
            self._outside(node, f"rpd {command}", request, command, is_fair=command == "resume")
        self._change(node, "nobody comes for an hour", seconds=SLEEPS[-1])

    def _world(self, node: Node) -> None:
        """What happens by itself. Before a move that waits for nothing it makes no difference."""
        if isinstance(node.decision, Fire) and node.is_live:
            return
        for pod in node.truth.pods:
            for event in by_itself(pod, is_current=pod.name == node.facts.current):
                truth = node.truth.with_pod(event.after)
                self._change(node, event.word, truth=truth, is_fair=event.is_fair)

    def _outside(
        self, node: Node, word: str, request: Request | None, command: str | None, *, is_fair: bool = False
    ) -> None:
        stepped = self.engine.step(node, Choices(), request=request, command=command)
        self._arrive(node, word, stepped, is_fair=is_fair)

    def _change(
        self,
        node: Node,
        word: str,
        *,
        truth: Truth | None = None,
        seconds: float = 0.0,
        is_live: bool | None = None,
        is_fair: bool = False,
    ) -> None:
        at = node.at + seconds
        after = (node.truth if truth is None else truth).settled(at)
        live = node.is_live if is_live is None else is_live
        self._arrive(node, word, Stepped(node.facts, node.tail, [], after, at, live, False), is_fair=is_fair)

    # The fair world.

    def _walk(self, node: Node, is_there: Callable[[Node], bool], otherwise: str) -> bool:
        try:
            last, is_well = walk(self.engine, self.situation, node, is_there)
        except Violation as violation:
            self.found.blame(f"{node.axes.state}: {violation}", node, "from here on, nothing fails")
            return False
        if not is_well:
            self.found.blame(f"{last.axes.state}: {otherwise}", node, f"and so on, for ever  ->  {last.axes}")
        return is_well

    def _ends(self) -> None:
        """An end can be reached from everywhere. What waits may look the same again and again until its time is over:
        from there the way is walked, until it meets a situation that is known to end."""
        nodes, passed = self.found.nodes, list[Node]()
        able = Able(self.found.fair_into, [node for node in nodes.values() if node.is_closed])

        def can_end(later: Node) -> bool:
            known = nodes.get(later.key)
            if known is not None and known not in able:
                passed.append(known)
            return later.is_closed or known in able

        stuck = 0
        for node in nodes.values():
            if node in able or stuck == STUCK_MAX:
                continue
            passed.clear()
            if self._walk(node, can_end, "no end can be reached"):
                able.add(*passed)
            else:
                stuck += 1

    # Nodes.

    def situation(self, stepped: Stepped, parent: Node | None = None, edge: str = "") -> Node:
        """What a step led to, as a node that is not noted yet."""
        facts, tail, truth, now = stepped.facts, stepped.tail, stepped.truth, stamp(stepped.at)
        pending = open_intent(tail)
        axes = axes_of(facts, truth, stepped.is_live, pending.body if pending is not None else None)
        decision = None
        if stepped.is_live and not stepped.is_closed and pending is None:
            decision = self._decide(facts, now)
        key = key_of(axes, facts, truth, now, pending, label(decision) if stepped.is_live else "-")
        return Node(
            facts, tail, truth, stepped.at, stepped.is_live, stepped.is_closed, axes, decision,
            (*key, stepped.is_closed), parent, edge,
        )  # fmt: skip

    def _decide(self, facts: Facts, now: Stamp) -> Decision | None:
        try:
            decision = self.lifecycle.interrupts(facts.state, facts, now)
            return decision or self.lifecycle.decide[facts.state](facts, now)
        except Exception:
            return None  # the step that decides it raises the same, and is blamed

    def _arrive(self, parent: Node | None, edge: str, stepped: Stepped, *, is_fair: bool) -> None:
        fresh = self.situation(stepped, parent, edge)
        node = self.found.nodes.setdefault(fresh.key, fresh)
        if node is fresh:
            self._queue.append(node)
            for sentence in faults_at(node, self.lifecycle.table):
                self.found.blame(sentence, node)
        if parent is not None:
            self.found.edges += 1
            if is_fair:
                self.found.fair_into.setdefault(node, []).append(parent)
