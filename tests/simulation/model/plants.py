"""Faults planted by hand, each in one place of the shipped code. The check has to find every one and to name it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rpd.engine import protocol
from rpd.engine.decision import Decision, Do, Fire, Pending
from rpd.engine.lifecycle import Lifecycle
from rpd.engine.rule import Guard, Rule
from rpd.engine.runner import Runner
from rpd.journal.records import Body, Outcome, Record, Stamp, Transition
from rpd.states import create, fold_effects, policy, proof, release, sweep
from rpd.states.facts import Facts
from rpd.states.facts.run import Begun
from rpd.states.lifecycle import JOB_LIFECYCLE
from rpd.states.ports.names import Op, State, Trigger
from rpd.states.ports.world import Pod, World
from rpd.states.table import JOB

S, T = State, Trigger
JobLifecycle = Lifecycle[Facts, World]
Loop = Runner[Facts, World]


# The table.


def with_rules(*rules: Rule) -> JobLifecycle:
    """The shipped lifecycle with another table."""
    return replace(JOB_LIFECYCLE, table=replace(JOB, rules=rules))


def another_end() -> JobLifecycle:
    """The end of the job is the end of the run."""
    return with_rules(Rule(T.JOB_ENDED, S.MONITOR, S.DONE, "planted"), *JOB.rules)


def without_guards(trigger: Trigger, source: State, *names: str) -> JobLifecycle:
    """One move without some of the guards it has."""

    def kept(guard: Guard) -> bool:
        return guard.__name__ not in names

    return with_rules(
        *(
            replace(rule, when=tuple(filter(kept, rule.when)))
            if (rule.trigger, rule.source) == (trigger, source)
            else rule
            for rule in JOB.rules
        )
    )


def without(trigger: Trigger, source: State) -> JobLifecycle:
    """An edge is missing."""
    return with_rules(*(rule for rule in JOB.rules if (rule.trigger, rule.source) != (trigger, source)))


def elsewhere(trigger: Trigger, source: State, dest: State) -> JobLifecycle:
    """An edge leads to another state."""
    return with_rules(
        *(replace(rule, dest=dest) if (rule.trigger, rule.source) == (trigger, source) else rule for rule in JOB.rules)
    )


# The states.


def without_probe(state: State) -> JobLifecycle:
    """What became of an effect is never found out."""
    return _with_handler(state, probe=lambda pending, world: None)


def acting_probe(state: State) -> JobLifecycle:
    """An effect is repeated in place of asking."""
    shipped = JOB_LIFECYCLE.handlers[state]
    return _with_handler(state, probe=lambda pending, world: protocol.perform(shipped, pending, world))


def without_debt() -> JobLifecycle:
    """A pod is rented and nobody owes it."""

    def decide(facts: Facts, now: Stamp) -> Decision:
        decision = create.decide(facts, now)
        return Do(decision.op, decision.args, decision.attempt) if isinstance(decision, Do) else decision

    return _with_handler(S.CREATE, decide=decide)


def back_and_forth() -> JobLifecycle:
    """Two states send the run back and forth."""
    table = (*JOB.rules, Rule(T.JOB_STARTED, S.MONITOR, S.LAUNCH, "planted"))
    lifecycle = _with_handler(S.MONITOR, decide=lambda facts, now: Fire(T.JOB_STARTED))
    return replace(lifecycle, table=replace(JOB, rules=table))


def _with_handler(state: State, **changes: object) -> JobLifecycle:
    handlers = {**JOB_LIFECYCLE.handlers, state: replace(JOB_LIFECYCLE.handlers[state], **changes)}  # type: ignore[arg-type]
    return replace(JOB_LIFECYCLE, handlers=handlers)


def always_delete(patch: pytest.MonkeyPatch) -> None:
    """Every pod is deleted at the end, collected or not."""
    for module in (policy, release):
        patch.setattr(module, "release_how", lambda facts: "delete")


def by_name_only(patch: pytest.MonkeyPatch) -> None:
    """A pod with our name counts as ours, whatever its env says."""

    def starts_alike(pod: Pod, prefix: str, run_id: str) -> bool:
        return pod.name.startswith(prefix)

    patch.setattr(sweep, "is_of_run", starts_alike)


def adopting_by_name_only(patch: pytest.MonkeyPatch) -> None:
    """The same, where a create without an answer looks for its pod."""
    patch.setattr(create, "may_name_run", lambda pod, run_id: True)


def stale_claim(patch: pytest.MonkeyPatch) -> None:
    """A launch without an answer is taken for one that never was, if the claim folder was not there before it."""
    shipped = fold_effects.OUTCOMES[Op.LAUNCH_JOB]

    def launched(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
        before = facts.launch.claim
        shipped(facts, begun, outcome, at)
        facts.launch.claim = facts.launch.claim or before

    patch.setitem(fold_effects.OUTCOMES, Op.LAUNCH_JOB, launched)


def no_answer_for_gone(patch: pytest.MonkeyPatch) -> None:
    """A stop that is told of no pod counts as a delete."""
    shipped = fold_effects.OUTCOMES[Op.STOP_POD]

    def stopped(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
        shipped(facts, begun, outcome, at)
        if facts.pod is not None and facts.pod.released_as == "absent":
            facts.pod.released_as = "delete"

    patch.setitem(fold_effects.OUTCOMES, Op.STOP_POD, stopped)


def endless_proof(patch: pytest.MonkeyPatch) -> None:
    """No number of surveys is enough."""
    patch.setattr(proof, "CLEAN_SURVEYS_MIN", 10**9)


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
        now = self.clock.now()
        pending = Pending("0001", do.op, str(self.state), do.args, do.attempt, now)
        protocol.perform(self._handler(), pending, self.world)
        super()._do(do)


class ForgetsUnknowns(Loop):
    """Where nobody knows whether a pod was rented, the run goes on as if nothing were."""

    def _settle(self, pending: Pending) -> None:
        if pending.op == Op.CREATE_POD:
            self._step(self._decide())
        else:
            super()._settle(pending)
