"""What must hold in every situation, by the truth and not by what the run believes."""

from __future__ import annotations

from collections.abc import Iterator

from rpd.engine.rule import Rule, Table
from rpd.states.policy import rules as policy
from rpd.states.ports.names import Op, State, Trigger
from tests.simulation.model.node import Node
from tests.simulation.model.reality import stamp
from tests.simulation.model.step import spared

PODLESS = (State.REPORT, State.DONE)
"""Where no pod of the run may compute."""
WAYS_OUT = (Trigger.CANCEL, Trigger.OUT_OF_TIME, Trigger.OUT_OF_MONEY, Trigger.POD_GONE)
"""What may end a run at any moment; wherever a pod may exist, the table must lead from each to its release."""


def faults_at(node: Node, table: Table) -> Iterator[str]:
    """Every sentence that is wrong here."""
    if any(pod.may_compute for pod in node.truth.pods) or _is_creating(node):
        yield from _owner(node)
        yield from _end(node)
        yield from _ways_out(node, table)
        yield from _ways_past(node, table)
    yield from _release_how(node)


def _is_creating(node: Node) -> bool:
    return node.pending is not None and node.pending.op == Op.CREATE_POD


def _owner(node: Node) -> Iterator[str]:
    who = policy.released_by(node.facts, stamp(node.at))
    if not node.is_closed and (who is None or not who.who):
        yield f"{node.axes.state}: a pod may compute (pod {node.axes.pod}), and nobody is named to release it"


def _end(node: Node) -> Iterator[str]:
    if node.is_closed:
        yield f"the run is closed in {node.axes.state} while a pod may compute (pod {node.axes.pod})"
    elif node.facts.state in PODLESS:
        yield f"{node.axes.state} is reached while a pod may compute (pod {node.axes.pod})"


def _ways_out(node: Node, table: Table) -> Iterator[str]:
    """Each way out is an edge of the table, and leads to the release at once or after collecting."""
    state = node.facts.state
    if state is State.RELEASE or state in PODLESS:
        return
    for trigger in WAYS_OUT:
        rules = table.matching(state, trigger)
        if not rules:
            yield f"{state}: a pod may compute (pod {node.axes.pod}), without an edge for {trigger}"
        for rule in rules:
            if rule.dest not in (State.RELEASE, State.COLLECT):
                yield f"{named(rule)} leads past the release of a pod that may compute"
    if not any(rule.dest is State.RELEASE for rule in table.leaving(state)):
        yield f"{state}: a pod may compute (pod {node.axes.pod}), and no edge leads to its release"


def _ways_past(node: Node, table: Table) -> Iterator[str]:
    """The table's own word, whatever the states' code fires: no rule whose guards hold here may lead past the proof."""
    for rule in table.leaving(node.facts.state):
        if rule.dest not in PODLESS and rule.source is not State.RELEASE:
            continue
        if rule.trigger is Trigger.RETURNED:
            continue  # the pod stays in hand
        if all(guard(node.facts) for guard in rule.when) and not any(guard(node.facts) for guard in rule.unless):
            yield f"{named(rule)} is allowed while a pod may compute (pod {node.axes.pod})"


def _release_how(node: Node) -> Iterator[str]:
    pod = node.facts.pod
    if node.pending is not None or pod is None or pod.id is None:
        return  # nobody decides before it is settled
    if pod.id in spared(node.facts, node.truth) and policy.release_how(node.facts) == "delete":
        yield f"{node.axes.state}: release_how says delete, and the results are nowhere else (job {node.axes.job})"


def named(rule: Rule) -> str:
    """A rule in one phrase."""
    return f"{rule.source} --{rule.trigger}--> {rule.dest}"
