"""What `rpd resume` would do first, in words. It asks the lifecycle itself, so it loads every state of it."""

from __future__ import annotations

import copy

from rpd.engine.decision import Close, Decision, Do, Fire, Leave, Look, Wait
from rpd.journal.errors import NONSENSE, JournalStrange
from rpd.journal.records import Stamp
from rpd.journal.replay import Snapshot
from rpd.states.facts import Facts
from rpd.states.fold.moves import resume
from rpd.states.lifecycles import lifecycle_of
from rpd.states.operations.job import WatchJob


def next_step(facts: Facts, snapshot: Snapshot, now: Stamp) -> str:
    """An open intent is settled first. Otherwise the state decides, on these facts."""
    try:
        return _first_step(facts, snapshot, now)
    except (JournalStrange, *NONSENSE):
        return f"go on in state {facts.state}"


def _first_step(facts: Facts, snapshot: Snapshot, now: Stamp) -> str:
    lifecycle = lifecycle_of(facts.opened.lifecycle)
    for opened in snapshot.open_intents.values():
        intent = opened.intent
        effect = lifecycle.effect_of(intent)
        return f"find out what became of {effect.label if effect is not None else intent.op}"
    facts = copy.deepcopy(facts)
    resume(facts, now)  # requests to the process that left are void
    facts.process.surveyed = now  # the search for a second pod of its create goes on beside the step in question
    decision = lifecycle.interrupts(facts.state, facts, now)
    return _in_words(decision if decision is not None else lifecycle.decide[facts.state](facts, now))


def _in_words(decision: Decision) -> str:
    match decision:
        case Look(operation=WatchJob()):
            return "follow the job, which may run or have ended"
        case Do() | Look():
            return decision.operation.label
        case Fire():
            return f"go on: {decision.trigger}"
        case Wait():
            return f"wait for {decision.what}"
        case Leave():
            return decision.why
        case Close():
            return "close the run"
