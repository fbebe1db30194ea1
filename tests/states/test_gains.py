"""Results that come piece by piece over a poor link: waited for while more of them comes, within the budget."""

from __future__ import annotations

import pytest

from rpd.adapters.report.story import STALLS_TOLD, tell
from rpd.engine.decision import Decision, Do, Fire
from rpd.journal.records import Outcome, Record, Resumed
from rpd.states import collect
from rpd.states.facts import Facts
from rpd.states.operations.results import GAIN_BYTES_MIN
from rpd.states.policy.rules import COLLECT_ALLOWANCE_SECONDS
from rpd.states.ports.names import Op, Reason, State, Trigger
from tests.fakes.facts import EXAMPLES, RUN_ID, begun, claimed, facts_in, fold, stamp
from tests.fakes.facts import outcome as came

LATE = 100.0 + COLLECT_ALLOWANCE_SECONDS + 50.0


def collecting(**config: object) -> Facts:
    """A job has ended well; its log is here, and collecting began 100 s after the run."""
    facts = claimed(facts_in(State.COLLECT, **config), "ended", exit_code=0)
    facts.ending.reason, facts.results.log_fetched, facts.results.since = Reason.JOB_SUCCEEDED, True, stamp(100.0)
    begun(facts, Op.PULL_ARTIFACT, at=0.0, pull=EXAMPLES[Op.PULL_ARTIFACT]["pull"])
    return facts


def broken(facts: Facts, at: float, moved: int | None = None, reason: str = "link_lost") -> Outcome:
    """A try that the link ended, and the word that it may be done again."""
    data = {} if moved is None else {"moved_bytes": moved, "here_bytes": 5_000_000, "total_bytes": 9_000_000}
    body = Outcome("1", Op.PULL_ARTIFACT, "unknown", reason, "the link was lost", True, False, data)
    fold(facts, body, at)
    came(facts, Op.PULL_ARTIFACT, "failed", at=at, reason="repeatable", error="cut off; it is done again", settled=True)
    return body


def decided(facts: Facts, now: float) -> Decision:
    facts.contact.tries.clear()
    return collect.decide(facts, stamp(now))


def test_a_try_that_brought_more_is_a_reason_to_wait_and_to_go_on_at_once() -> None:
    facts = collecting()
    broken(facts, LATE - 200.0, 3 * GAIN_BYTES_MIN)
    assert facts.tried(Op.PULL_ARTIFACT).failures == 1, "however many there were before"
    assert isinstance(decided(facts, LATE), Do)
    over = decided(facts, LATE - 200.0 + COLLECT_ALLOWANCE_SECONDS + 1.0)
    assert isinstance(over, Fire) and over.trigger is Trigger.COLLECT_FAILED


@pytest.mark.parametrize(
    ("moved", "reason"), [(None, "link_lost"), (GAIN_BYTES_MIN - 1, "link_lost"), (9_000_000, "interrupted")]
)
def test_a_try_that_brought_nothing_is_none(moved: int | None, reason: str) -> None:
    facts = collecting()
    broken(facts, LATE - 10.0, moved, reason)
    over = decided(facts, LATE)
    assert isinstance(over, Fire) and over.trigger is Trigger.COLLECT_FAILED


def test_no_gain_outlives_the_budget() -> None:
    facts = collecting(budget={"cost_cap_usd": 100.0, "max_runtime_minutes": (LATE - 5.0) / 60.0})
    broken(facts, LATE - 10.0, 3 * GAIN_BYTES_MIN)
    assert isinstance(decided(facts, LATE - 6.0), Do)
    over = decided(facts, LATE)
    assert isinstance(over, Fire) and over.why == "the budget is used up while results are still on their way"


def test_a_new_process_counts_anew() -> None:
    facts = collecting()
    broken(facts, 200.0)
    broken(facts, 210.0, 3 * GAIN_BYTES_MIN)
    broken(facts, 220.0)
    assert (facts.results.fetching.stalls, facts.results.fetching.gained_at) == (1, stamp(210.0))
    fold(facts, Resumed("resume", "host", 1, "user", "0.1"), 230.0)
    assert (facts.results.fetching.stalls, facts.results.fetching.gained_at) == (0, None)


def test_how_far_it_came_is_told_and_after_some_tries_in_vain_the_ways_out() -> None:
    facts = collecting()
    told = []
    for at in range(STALLS_TOLD + 1):
        body = broken(facts, 200.0 + at, 0)
        told.append(tell(Record(9, 1, RUN_ID, stamp(200.0 + at), "", "", "", True, "", "z", body), facts) or "")
    assert told[0] == "model: the link was lost; 5.0 MB of 9.0 MB are here, and it goes on from there"
    assert "3 tries in a row brought nothing more" in told[STALLS_TOLD - 1]
    for way in ("Ctrl-C stops the pod", f"rpd resume {RUN_ID}", "artifacts[].excludes", "s3://"):
        assert way in told[STALLS_TOLD - 1]
    assert told[STALLS_TOLD] == told[0], "not with every try"
