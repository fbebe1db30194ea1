"""The tables against the code that fires its triggers."""

from __future__ import annotations

import ast
from pathlib import Path

from rpd.engine.lint import lint
from rpd.states.interrupts import WITH_POD, edges
from rpd.states.lifecycle import FILES
from rpd.states.lifecycles import LIFECYCLES
from rpd.states.operations import EFFECTS, READINGS
from rpd.states.policy.outage import TO_CLOUD, TO_POD
from rpd.states.ports import names
from rpd.states.ports.names import ENDINGS, Op, Reason, RunOutcome, State, Trigger
from rpd.states.session.lifecycle import FILES as SESSION_FILES
from rpd.states.session.table import SESSION
from rpd.states.table import JOB
from tests.fakes.facts import EXAMPLES

TABLES = tuple(lifecycle.table for lifecycle in LIFECYCLES.values())
ROOT = Path(__file__).parents[2]
INTERRUPTING = (Trigger.CANCEL, Trigger.OUT_OF_TIME, Trigger.OUT_OF_MONEY, Trigger.POD_GONE)
BRANCHES = {
    Reason.HOST_NEVER_BOOTED,
    Reason.WRONG_HARDWARE,
    Reason.HOST_UNFIT,
    Reason.SSHD_MISSING,
    Reason.HOST_TOO_DEAR,
    Reason.PAUSED_POD_GONE,
    Reason.POD_STOPPED,
    Reason.HOST_KEY_CHANGED,
}
"""Reasons that only explain a branch."""

HERE = frozenset(
    {Op.CHECK_INPUTS, Op.FIND_PAUSED, Op.HAND_OVER, Op.READ_SYSTEM_LOG, Op.READ_LOG, Op.WRITE_MANIFEST, Op.NOTIFY}
)
"""Operations on this machine, and operations that say nothing about the connection."""


def test_the_tables_are_sound() -> None:
    assert lint(*TABLES) == []


def test_whatever_may_interrupt_has_its_edge() -> None:
    for table in TABLES:
        states = set(WITH_POD) & set(table.used)
        wanted = {(str(state), str(trigger)) for state in states for trigger in INTERRUPTING}
        assert wanted <= edges(table), (table.name, sorted(wanted - edges(table)))


def test_every_state_has_its_file_and_every_operation_its_words() -> None:
    for lifecycle in LIFECYCLES.values():
        assert set(lifecycle.decide) == set(lifecycle.table.used)
    assert EFFECTS.keys() | READINGS.keys() == set(Op) and not EFFECTS.keys() & READINGS.keys()


def test_every_trigger_that_a_state_fires_has_its_edge() -> None:
    """Read from the sources: `Fire(Trigger.X` in the file of a state needs a rule from that state."""
    for table, files in ((JOB, FILES), (SESSION, SESSION_FILES)):
        for state, file in files.items():
            for trigger in _mentioned(Path(str(file.__file__)), "Trigger"):
                assert table.matching(state, Trigger[trigger]), f"{state} fires {trigger} without a rule"


def test_every_state_that_may_hold_a_pod_can_be_interrupted() -> None:
    assert set(State) == {*WITH_POD, State.RELEASE, State.REPORT, State.DONE}


def test_every_operation_has_words_and_a_side() -> None:
    for kind in (*EFFECTS.values(), *READINGS.values()):
        assert kind.words and kind.noun
    assert EFFECTS.keys() - {Op.CREATE_POD, Op.NOTIFY} == EXAMPLES.keys(), "each has an example for the tests"
    sides = (TO_CLOUD, TO_POD, HERE)
    assert sum(map(len, sides)) == len(Op) and frozenset().union(*sides) == set(Op)


def test_every_reason_is_used_and_every_ending_complete() -> None:
    used: set[str] = set()
    for path in Path(str(names.__file__)).parents[1].rglob("*.py"):
        if path.name != "names.py":
            used |= _mentioned(path, "Reason")
    assert used == {reason.name for reason in Reason}
    assert set(ENDINGS) == set(Reason) - BRANCHES


def test_exit_codes_are_those_of_the_manual() -> None:
    by_code: dict[int, set[RunOutcome]] = {}
    for outcome, code in ENDINGS.values():
        by_code.setdefault(code, set()).add(outcome)
    assert by_code == {
        0: {RunOutcome.SUCCEEDED},
        1: {RunOutcome.FAILED},
        2: {RunOutcome.REFUSED},
        4: {RunOutcome.REFUSED},
        5: {RunOutcome.FAILED},
        75: {RunOutcome.CANCELLED},
        6: {RunOutcome.REFUSED},
        7: {RunOutcome.FAILED},
        9: {RunOutcome.FAILED, RunOutcome.CANCELLED, RunOutcome.LOST},
        10: {RunOutcome.LOST},
        130: {RunOutcome.CANCELLED},
        143: {RunOutcome.CANCELLED},
    }


def test_the_end_cannot_be_reached_with_an_open_compute_debt() -> None:
    for table in TABLES:
        into_done = [rule for rule in table.rules if rule.dest is State.DONE]
        assert [[guard.__name__ for guard in rule.when] for rule in into_done] in (
            [["nothing_owed"]],
            [["release_is_proved"]],  # its move closes all debts by the proof
        )
        out = [rule for rule in table.leaving(State.RELEASE) if rule.trigger is not Trigger.RETURNED]
        assert all("release_is_proved" in {guard.__name__ for guard in rule.when} for rule in out)


def _mentioned(path: Path, enum: str) -> set[str]:
    """Members of an enum that a source file names."""
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == enum
    }
