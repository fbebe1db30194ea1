"""Faults planted by hand, each in one place of the shipped code. The check has to find every one and to name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from rpd.engine import protocol
from rpd.engine.decision import Decision, Do, Fire
from rpd.engine.lifecycle import Lifecycle
from rpd.engine.operation import Call, Ended, Result
from rpd.engine.rule import Guard, Rule
from rpd.engine.runner import Runner, _Open
from rpd.journal.records import Body, Outcome, Record, Stamp, Transition
from rpd.states import create, release
from rpd.states.facts import Facts
from rpd.states.facts.release import Proof
from rpd.states.lifecycle import JOB_LIFECYCLE
from rpd.states.operations import account
from rpd.states.operations import pod as operations_on_pods
from rpd.states.operations.job import Claimed, LaunchJob
from rpd.states.operations.kinds import Effect
from rpd.states.operations.pod import Accepted, StopPod
from rpd.states.policy import proof
from rpd.states.policy import rules as policy
from rpd.states.ports.names import Op, State, Trigger
from rpd.states.ports.world import Pod, World
from rpd.states.table import JOB

S, T = State, Trigger
JobLifecycle = Lifecycle[Facts, World]
Loop = Runner[Facts, World]


# The table.


def with_rules(*rules: Rule) -> JobLifecycle:
    """The shipped lifecycle with another table: these rules are all there are."""
    return replace(JOB_LIFECYCLE, table=replace(JOB, rules=rules, interrupts=()))


def another_end() -> JobLifecycle:
    """The end of the job is the end of the run."""
    return with_rules(Rule(T.JOB_ENDED, S.MONITOR, S.DONE, "planted"), *JOB.every_rule)


def without_guards(trigger: Trigger, source: State, *names: str) -> JobLifecycle:
    """One move without some of the guards it has."""

    def kept(guard: Guard) -> bool:
        return guard.__name__ not in names

    return with_rules(
        *(
            replace(rule, when=tuple(filter(kept, rule.when)))
            if (rule.trigger, rule.source) == (trigger, source)
            else rule
            for rule in JOB.every_rule
        )
    )


def without(trigger: Trigger, source: State) -> JobLifecycle:
    """An edge is missing."""
    return with_rules(*(rule for rule in JOB.every_rule if (rule.trigger, rule.source) != (trigger, source)))


def elsewhere(trigger: Trigger, source: State, dest: State) -> JobLifecycle:
    """An edge leads to another state."""
    return with_rules(
        *(
            replace(rule, dest=dest) if (rule.trigger, rule.source) == (trigger, source) else rule
            for rule in JOB.every_rule
        )
    )


# The operations.


def without_probe(*ops: Op) -> JobLifecycle:
    """What became of an effect is never found out."""
    return _probed_by(lambda effect, call, world: None, *ops)


def acting_probe(op: Op) -> JobLifecycle:
    """An effect is repeated in place of asking."""
    return _probed_by(protocol.perform, op)


def _probed_by(probe: Callable[[Effect[Any], Call, World], Result | None], *ops: Op) -> JobLifecycle:
    shipped = JOB_LIFECYCLE.effects
    planted = {
        op: msgspec.defstruct(op, (), bases=(shipped[op],), namespace={"probe": probe}, frozen=True) for op in ops
    }
    return replace(JOB_LIFECYCLE, effects={**shipped, **planted})


# The states.


def without_debt() -> JobLifecycle:
    """A pod is rented and nobody owes it."""

    def decide(facts: Facts, now: Stamp) -> Decision:
        decision = create.decide(facts, now)
        return Do(decision.operation, decision.attempt) if isinstance(decision, Do) else decision

    return _deciding(S.CREATE, decide)


def back_and_forth() -> JobLifecycle:
    """Two states send the run back and forth."""
    table = with_rules(*JOB.every_rule, Rule(T.JOB_STARTED, S.MONITOR, S.LAUNCH, "planted")).table
    lifecycle = _deciding(S.MONITOR, lambda facts, now: Fire(T.JOB_STARTED))
    return replace(lifecycle, table=table)


def _deciding(state: State, decide: Callable[[Facts, Stamp], Decision]) -> JobLifecycle:
    return replace(JOB_LIFECYCLE, decide={**JOB_LIFECYCLE.decide, state: decide})


# The policies.


def always_delete(patch: pytest.MonkeyPatch) -> None:
    """Every pod is deleted at the end, collected or not."""
    for module in (policy, release):
        patch.setattr(module, "release_how", lambda facts: "delete")


def by_name_only(patch: pytest.MonkeyPatch) -> None:
    """A pod with our name counts as ours, whatever its env says."""

    def starts_alike(pod: Pod, prefix: str, run_id: str) -> bool:
        return pod.name.startswith(prefix)

    patch.setattr(account, "is_of_run", starts_alike)


def adopting_by_name_only(patch: pytest.MonkeyPatch) -> None:
    """The same, where a create without an answer looks for its pod."""
    patch.setattr(operations_on_pods, "may_name_run", lambda pod, run_id: True)


def stale_claim(patch: pytest.MonkeyPatch) -> None:
    """A launch without an answer is taken for one that never was, if the claim folder was not there before it."""
    shipped = LaunchJob.end

    def launched(effect: LaunchJob, facts: Facts, ended: Ended[Claimed]) -> None:
        before = facts.launch.claim
        shipped(effect, facts, ended)
        facts.launch.claim = facts.launch.claim or before

    patch.setattr(LaunchJob, "end", launched)


def no_answer_for_gone(patch: pytest.MonkeyPatch) -> None:
    """A stop that is told of no pod counts as a delete."""
    shipped = StopPod.end

    def stopped(effect: StopPod, facts: Facts, ended: Ended[Accepted]) -> None:
        shipped(effect, facts, ended)
        if facts.pod is not None and facts.pod.released_as == "absent":
            facts.pod.released_as = "delete"

    patch.setattr(StopPod, "end", stopped)


def endless_proof(patch: pytest.MonkeyPatch) -> None:
    """No number of surveys is enough."""
    patch.setattr(Proof, "lasts", lambda proof, seconds, at: False)


def hasty_proof(patch: pytest.MonkeyPatch) -> None:
    """A create without an answer is not waited for."""
    patch.setattr(proof, "quiet_seconds_left", lambda facts, now: 0.0)


# The loop.


class Unsynced(Loop):
    """Outcomes are written without waiting for the disk."""

    def _write(self, body: Body) -> Record:
        return self._journal.append(body, sync=not isinstance(body, Outcome))


class MovesFirst(Loop):
    """Memory moves before the record of the move is durable."""

    def _write(self, body: Body) -> Record:
        if isinstance(body, Transition):
            self._position.state = S(body.dest)
        return super()._write(body)


class MovesSilently(Loop):
    """Memory moves, and no record says so."""

    def _fire(self, fire: Fire) -> None:
        self._machine.fire(self._position, fire.trigger, self.facts, lambda rule: None)


class ActsFirst(Loop):
    """An effect is caused before its intent is durable."""

    def _do(self, do: Do) -> None:
        protocol.perform(do.operation, Call(self.clock.now(), do.payload), self.world)
        super()._do(do)


class ForgetsUnknowns(Loop):
    """Where nobody knows whether a pod was rented, the run goes on as if nothing were."""

    def _settle(self, unsettled: _Open) -> None:
        if unsettled.intent.op == Op.CREATE_POD:
            self._step(self._decide())
        else:
            super()._settle(unsettled)
