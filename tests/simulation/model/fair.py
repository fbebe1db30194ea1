"""A fair world: every request is answered, a job ends, whoever has to come back does. There, a run must come to its
end, and an unknown must be cleared up."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rpd.engine.ports import Request
from rpd.states.ports.names import State
from tests.simulation.model.choices import Choices
from tests.simulation.model.node import Node
from tests.simulation.model.reality import START_WALL
from tests.simulation.model.step import Engine, Stepped
from tests.simulation.model.truth import JobLife, changed, halted

STEPS_MAX = 2000
"""So many steps, with their pauses, are longer than any wait of the lifecycle."""


def walk(
    engine: Engine, situation: Callable[[Stepped], Node], node: Node, is_there: Callable[[Node], bool]
) -> tuple[Node, bool]:
    """Go on from here with nothing failing: where that led, and whether it is where it should. Raises Violation."""
    for _ in range(STEPS_MAX):
        if is_there(node):
            return node, True
        node = situation(_step(engine, node))
    return node, False


class Able:
    """The situations from which an end can be reached. `fair_into`: from where each follows while nothing fails."""

    def __init__(self, fair_into: dict[Node, list[Node]], ends: Iterable[Node]) -> None:
        self._fair_into = fair_into
        self._nodes: set[Node] = set()
        self.add(*ends)

    def __contains__(self, node: object) -> bool:
        return node in self._nodes

    def add(self, *nodes: Node) -> None:
        """These can, and so can everything that leads to them."""
        fresh = list(nodes)
        while fresh:
            able = fresh.pop()
            if able not in self._nodes:
                self._nodes.add(able)
                fresh.extend(self._fair_into.get(able, ()))


def _step(engine: Engine, node: Node) -> Stepped:
    if not node.is_live:
        kept = node.facts.pod.kept_until if node.facts.pod is not None else None
        if kept is not None and START_WALL + node.at < kept:
            return _kept_to_the_end(node, kept)
        return engine.step(node, Choices(), command="resume")
    pod = node.truth.named(node.facts.current)
    if node.facts.state is State.MONITOR and pod is not None and pod.job is JobLife.RUNNING:
        truth = node.truth.with_pod(changed(pod, job=JobLife.DONE))
        return Stepped(node.facts, node.tail, [], truth, node.at, node.is_live, node.is_closed)
    if node.facts.state is State.ATTEND and node.facts.request is None and node.pending is None:
        return engine.step(node, Choices(), request=Request("leave", "person", {"how": "delete"}))
    return engine.step(node, Choices())


def _kept_to_the_end(node: Node, kept: float) -> Stepped:
    """Nobody comes before a pod that was kept up has been stopped by its switch."""
    pod, at = node.truth.named(node.facts.current), kept - START_WALL + 60.0
    is_stopped = pod is not None and pod.is_up and pod.is_armed
    truth = node.truth.with_pod(halted(pod)) if is_stopped and pod is not None else node.truth
    return Stepped(node.facts, node.tail, [], truth.settled(at), at, False, False)
