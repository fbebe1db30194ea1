"""The machine, the lint and the pictures, on the kettle's table."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import pytest

from rpd.engine.diagram import markdown, mermaid
from rpd.engine.lint import lint
from rpd.engine.machine import Forbidden, StateMachine
from rpd.engine.rule import Group, Interrupt, Rule, Table
from tests.engine.kettle import RULES, TABLE, Kettle, S, T, is_full


class Other(StrEnum):
    """Names that the kettle does not know."""

    GONE = "gone"


def planted(*rules: Rule, **changes: object) -> Table:
    return replace(TABLE, rules=(*RULES, *rules), **changes)  # type: ignore[arg-type]


def test_a_move_is_written_before_memory_changes() -> None:
    machine = StateMachine(TABLE)
    position = machine.enter(None)
    seen: list[tuple[object, str]] = []
    rule = machine.fire(position, T.FILL, Kettle(litres=1), lambda rule: seen.append((position.state, rule.dest)))
    assert seen == [(S.COLD, S.FILLED)]
    assert position.state is S.FILLED and rule.why == "there is water in it"


def test_a_write_that_fails_moves_nothing() -> None:
    machine = StateMachine(TABLE)
    position = machine.enter("filled")

    def full(rule: Rule) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        machine.fire(position, T.PLUG, Kettle(), full)
    assert position.state is S.FILLED
    machine.fire(position, T.PLUG, Kettle(), lambda rule: None)
    assert position.state is S.HEATING


@pytest.mark.parametrize("trigger", [T.BOIL, "no_such_word", "trigger", "to_hot"])
def test_a_move_that_is_not_in_the_table_is_forbidden(trigger: str) -> None:
    machine = StateMachine(TABLE)
    position = machine.enter(None)
    with pytest.raises(Forbidden, match="no rule for"):
        machine.fire(position, trigger, Kettle(), lambda rule: pytest.fail("nothing may be written"))
    assert position.state is S.COLD


def test_guards_refuse_by_name() -> None:
    machine = StateMachine(TABLE)
    position = machine.enter("cold")
    with pytest.raises(Forbidden, match="is_full"):
        machine.fire(position, T.FILL, Kettle(), lambda rule: pytest.fail("nothing may be written"))
    with pytest.raises(Forbidden, match="not is_lidded"):
        machine.fire(position, T.SPILL, Kettle(lidded=True), lambda rule: pytest.fail("nothing may be written"))
    machine.fire(position, T.SPILL, Kettle(), lambda rule: None)
    assert position.state is S.SPILLED


def test_positions_do_not_disturb_each_other() -> None:
    machine = StateMachine(TABLE)
    one, other = machine.enter(None), machine.enter("heating")
    machine.fire(one, T.FILL, Kettle(litres=1), lambda rule: None)
    assert (one.state, other.state) == (S.FILLED, S.HEATING)
    machine.fire(other, T.BOIL, Kettle(), lambda rule: None)
    assert other.state is S.HOT


def test_an_unknown_state_in_a_journal_is_an_error() -> None:
    with pytest.raises(ValueError, match="lukewarm"):
        StateMachine(TABLE).enter("lukewarm")


def test_a_sound_table_has_no_faults() -> None:
    assert lint(TABLE) == []


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        (planted(Rule(T.BOIL, S.FILLED, Other.GONE, "x")), "is not a state of kettle"),
        (planted(Rule(T.BOIL, Other.GONE, S.HOT, "x")), "is not a state of kettle"),
        (planted(Rule(Other.GONE, S.FILLED, S.HOT, "x")), "is not a trigger of kettle"),
        (planted(Rule(T.BOIL, S.FILLED, S.HOT, "")), "does not say why"),
        (planted(Rule(T.PLUG, S.FILLED, S.HOT, "x")), "can never be taken"),
        (planted(Rule(T.PLUG, S.HOT, S.COLD, "x")), "is final but has a rule"),
        (replace(TABLE, rules=RULES[:-3]), "trigger spill is used by no rule"),
        (replace(TABLE, rules=RULES[:-3]), "state spilled cannot be reached"),
        (replace(TABLE, rules=RULES[:1] + RULES[3:4]), "state filled cannot reach an end"),
    ],
)
def test_a_planted_fault_is_found(table: Table, fault: str) -> None:
    assert any(fault in found for found in lint(table)), lint(table)


def test_a_guarded_rule_hides_nothing() -> None:
    table = planted(Rule(T.PLUG, S.FILLED, S.HOT, "x"))
    guarded = replace(
        table, rules=tuple(replace(r, when=(is_full,)) if r.trigger is T.PLUG else r for r in table.rules)
    )
    assert lint(guarded) == []


WET = Group("any state with water", (S.FILLED, S.HEATING))
POURED_OUT = replace(TABLE, rules=RULES[:4], interrupts=(Interrupt(T.SPILL, WET, S.SPILLED, "it is wet", (is_full,)),))


@pytest.mark.parametrize("source", WET.states)
def test_an_interrupt_moves_every_state_of_its_group_and_no_other(source: S) -> None:
    machine, written = StateMachine(POURED_OUT), []
    position = machine.enter(source)
    with pytest.raises(Forbidden, match="is refused by its guards: is_full"):
        machine.fire(position, T.SPILL, Kettle(), written.append)
    rule = machine.fire(position, T.SPILL, Kettle(litres=1), written.append)
    assert written == [rule] and (rule.source, rule.dest, position.state) == (source, S.SPILLED, S.SPILLED)
    with pytest.raises(Forbidden, match="no rule for"):
        machine.fire(machine.enter("hot"), T.SPILL, Kettle(litres=1), written.append)


def test_an_interrupt_is_drawn_and_told_once() -> None:
    text = mermaid(POURED_OUT)
    assert '    state "any state with water" as group1\n' in text
    assert "    group1 --> spilled: spill [is_full]\n" in text and "filled --> spilled" not in text
    *_, row, blank, states = markdown(POURED_OUT).splitlines()
    assert row == "| any state with water | `spill` | is_full | `spilled` | it is wet |"
    assert (blank, states) == ("", "Any state with water: `filled`, `heating`.")


def test_the_diagram_shows_every_edge_guard_and_end() -> None:
    text = mermaid(TABLE, walked=[("cold", "filled")], here="filled")
    assert text.startswith("stateDiagram-v2\n    [*] --> cold\n")
    assert "    cold --> filled: fill [is_full]\n" in text
    assert "    cold --> spilled: spill [not is_lidded]\n" in text
    assert "    hot --> [*]\n" in text and "    class cold,filled walked\n" in text and "    class filled here" in text


def test_edges_between_the_same_states_are_one_arrow() -> None:
    text = mermaid(planted(Rule(T.BOIL, S.FILLED, S.HEATING, "x")))
    assert "    filled --> heating: plug, boil\n" in text


def test_the_prose_has_one_row_per_rule() -> None:
    rows = markdown(TABLE).splitlines()[2:]
    assert len(rows) == len(RULES)
    assert rows[0] == "| `cold` | `fill` | is_full | `filled` | there is water in it |"
