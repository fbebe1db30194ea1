"""The whole check: each job is searched, and every rule of the table has to be taken somewhere or excused here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rpd.engine.lifecycle import Lifecycle
from rpd.engine.rule import Rule, Table
from rpd.engine.runner import Runner
from rpd.states.facts import Facts
from rpd.states.ports.names import BEFORE_ATTENDING, BEFORE_LAUNCH, State, Trigger
from rpd.states.ports.world import World
from tests.simulation.model.invariants import named
from tests.simulation.model.search import FAULTS_MAX, Search, SearchResult

S, T = State, Trigger
NOTHING_RENTED = "nothing is rented yet, or what was is given back and proved"
MINUTES = "ten minutes of tries are more than is searched here; seeds and the matrix of outages take them all"
OWN_BOUND = "fetching results has a bound of its own; it is parked, not ended"
NEVER_TAKEN: dict[tuple[StrEnum, StrEnum], str] = {
    **{(state, T.OUT_OF_TIME): NOTHING_RENTED for state in (S.VALIDATE, S.RECLAIM, S.SELECT)},
    **{(state, T.OUT_OF_MONEY): NOTHING_RENTED for state in (S.VALIDATE, S.RECLAIM, S.SELECT)},
    **{(state, T.POD_GONE): NOTHING_RENTED for state in (S.VALIDATE, S.RECLAIM, S.SELECT)},
    **{(S.COLLECT, trigger): OWN_BOUND for trigger in (T.CANCEL, T.OUT_OF_TIME, T.OUT_OF_MONEY)},
    **{(state, T.OUT_OF_REACH): MINUTES for state in (*BEFORE_LAUNCH, *BEFORE_ATTENDING)},
    **{(state, T.UNPREPARED): "no job here has commands that are repeatable" for state in (S.STAGE, S.PREFLIGHT)},
    (S.CREATE, T.POD_GONE): "a pod whose id is known leaves this state before anybody looks for it",
}
"""Edges that no run here can take, most of them because every state with a pod has them by one declaration: why."""


@dataclass(slots=True, repr=False)
class Checked:
    """What the searches found, one per job, and every fault with its shortest story."""

    by_job: dict[str, SearchResult]
    faults: dict[str, list[str]]

    @property
    def moves(self) -> frozenset[tuple[str, str, str]]:
        """Source, trigger and destination of every move that was made."""
        return frozenset(move for found in self.by_job.values() for move in found.moves)

    @property
    def states(self) -> int:
        """Situations that differ."""
        return sum(len(found.nodes) for found in self.by_job.values())

    @property
    def edges(self) -> int:
        """Ways from one to another."""
        return sum(found.edges for found in self.by_job.values())


def check(
    lifecycle: Lifecycle[Facts, World],
    jobs: Mapping[str, dict[str, Any]],
    *,
    loop: type[Runner[Facts, World]] = Runner,
    faults_max: int = FAULTS_MAX,
) -> Checked:
    """Search every job. `faults` maps each sentence to its shortest story; a search that meets `faults_max` ends."""
    by_job: dict[str, SearchResult] = {}
    faults: dict[str, list[str]] = {}
    for name, config in jobs.items():
        found = by_job[name] = Search(lifecycle, config, loop=loop, faults_max=faults_max).run()
        for sentence, story in found.faults.items():
            faults.setdefault(sentence, [f"job: {name}", *story])
    table, checked = lifecycle.table, Checked(by_job, faults)
    if not faults:  # a search that broke off has not seen everything
        has_paused = any(config["lifecycle"]["on_success"] == "recycle" for config in jobs.values())
        has_retries = any(config["retries"] for config in jobs.values())
        judging = {step["on_failure"] for config in jobs.values() for step in (*config["setup"], *config["preflight"])}
        left = unexplained(
            table, checked.moves, has_paused=has_paused, has_retries=has_retries, judging=frozenset(judging)
        )
        faults.update((sentence, []) for sentence in left)
    return checked


def unexplained(
    table: Table,
    moves: frozenset[tuple[str, str, str]],
    *,
    has_paused: bool = True,
    has_retries: bool = True,
    judging: frozenset[str] = frozenset({"end", "next_host"}),
) -> Iterator[str]:
    """Rules that were never taken and have no excuse, and those that have one and were. Without a job that takes paused
    pods up (`has_paused`), one that may be launched again (`has_retries`), or commands whose failure ends the run or
    blames the host (`judging`), none is."""
    of_commands = {T.STEP_FAILED: "end", T.HOST_FAILED: "next_host"}
    for rule in table.every_rule:
        if (
            rule.source in (S.SETUP, S.PREFLIGHT)
            and rule.trigger in of_commands
            and of_commands[rule.trigger] not in judging
        ):
            continue
        if (rule.trigger is T.POD_TAKEN and not has_paused) or (rule.trigger is T.RELAUNCH and not has_retries):
            continue
        excuse, is_taken = NEVER_TAKEN.get((rule.source, rule.trigger)), _move(rule) in moves
        if excuse is None and not is_taken:
            yield f"{named(rule)} is never taken, and nothing says why"
        elif excuse is not None and is_taken:
            yield f"{named(rule)} is taken, and was said to be impossible: {excuse}"


def report(checked: Checked, table: Table) -> Iterator[str]:
    """Lines for people; the last one is the verdict."""
    for name, found in checked.by_job.items():
        states = Counter(node.axes.state for node in found.nodes.values())
        yield f"{name}: {len(found.nodes)} states ({len({node.axes for node in found.nodes.values()})} by the six axes)"
        yield "  " + ", ".join(f"{state} {states[state]}" for state in table.states if states[state])
        yield "  cleared up by a probe: " + ", ".join(sorted(f"{op} in {state}" for state, op in found.unknowns))
    if all(found.is_complete for found in checked.by_job.values()):
        yield from _rules(checked, table)
    for sentence, story in checked.faults.items():
        yield f"VIOLATION {sentence}"
        yield from (f"    {line}" for line in story)
    yield f"model check: {checked.states} states, {checked.edges} edges, {len(checked.faults)} violations"


def _rules(checked: Checked, table: Table) -> Iterator[str]:
    never = [rule for rule in table.every_rule if _move(rule) not in checked.moves]
    yield f"rules taken: {len(table.every_rule) - len(never)} of {len(table.every_rule)}"
    for rule in never:
        yield f"  never {named(rule)}: {NEVER_TAKEN.get((rule.source, rule.trigger), 'nothing says why')}"


def _move(rule: Rule) -> tuple[str, str, str]:
    return str(rule.source), str(rule.trigger), str(rule.dest)
