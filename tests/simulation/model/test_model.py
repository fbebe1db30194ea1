"""The shipped lifecycle keeps every rule of the model; one with a planted fault breaks a rule that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rpd.engine.rule import Rule
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.fold import moves
from rpd.states.lifecycle import JOB_LIFECYCLE
from rpd.states.operations.attend import Answers, Attend
from rpd.states.ports.names import Op, State, Trigger
from rpd.states.session.lifecycle import SESSION_LIFECYCLE
from rpd.states.session.table import SESSION
from rpd.states.table import JOB
from tests.conftest import MEASURED
from tests.simulation.model import planted_faults as plants
from tests.simulation.model.check import Checked, check, report, unexplained
from tests.simulation.model.invariants import WAYS_OUT, faults_at
from tests.simulation.model.jobs import JOBS, SESSIONS

S, T = State, Trigger
ONE_SEARCH = pytest.mark.xdist_group("model of the shipped lifecycle")
"""What looks at the same search runs in the same process, so that it is made once."""
SESSION_SEARCH = pytest.mark.xdist_group("model of the shipped session")
DEFAULT = {"default": JOBS["default"]}


def slow(*case: object) -> Any:
    """A case for `make test-all`."""
    return pytest.param(*case, marks=pytest.mark.slow)


def words(value: object) -> str:
    """A case goes by the sentence that names its fault."""
    return value if isinstance(value, str) else ""


@pytest.fixture(scope="module")
def shipped() -> Checked:
    """The check of the shipped lifecycle over the job whose config says nothing special."""
    return check(JOB_LIFECYCLE, DEFAULT)


def verdict(checked: Checked) -> str:
    """The report, for a failed assertion."""
    return "\n".join(report(checked, JOB_LIFECYCLE.table))


@ONE_SEARCH
def test_the_shipped_lifecycle_keeps_every_rule(
    shipped: Checked, record_property: Callable[[str, object], None]
) -> None:
    record_property(MEASURED, verdict(shipped).splitlines()[-1])
    assert not shipped.faults, verdict(shipped)
    assert shipped.states > 10_000, "a search that sees less has lost its way"
    assert {node.axes.state for node in shipped.by_job["default"].nodes.values()} == set(JOB.used)


@pytest.fixture(scope="module")
def sessions() -> Checked:
    """The check of the shipped lifecycle of a session."""
    return check(SESSION_LIFECYCLE, SESSIONS)


@SESSION_SEARCH
def test_a_session_keeps_every_rule(sessions: Checked) -> None:
    assert not sessions.faults, "\n".join(report(sessions, SESSION))
    assert sessions.states > 5_000, "a search that sees less has lost its way"
    assert {node.axes.state for node in sessions.by_job["session"].nodes.values()} == set(SESSION.used)


def says_connected_at_once(patch: pytest.MonkeyPatch) -> None:
    """Connected is said when the pod has answered, whatever its services say."""
    shipped = Attend.saw.__func__  # type: ignore[attr-defined]

    def saw(kind: type[Attend], facts: Facts, answer: Answers, at: Stamp) -> None:
        shipped(kind, facts, Answers(()), at)

    patch.setattr(Attend, "saw", classmethod(saw))


def deletes_what_a_person_left(patch: pytest.MonkeyPatch) -> None:
    """A pod in which somebody has worked counts as a fresh one."""
    patch.setitem(moves._ENTERING, S.ATTEND, lambda facts, move, at: None)


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (says_connected_at_once, "connected is said, and no service has answered"),
        (deletes_what_a_person_left, "release_how says delete"),
    ],
    ids=words,
)
def test_a_planted_fault_in_a_session_is_named(
    plant: Callable[[pytest.MonkeyPatch], None], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert_named(check(SESSION_LIFECYCLE, SESSIONS, faults_max=1), named)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(set(JOBS) - set(DEFAULT)))
def test_so_it_does_under_every_policy(name: str) -> None:
    checked = check(JOB_LIFECYCLE, {name: JOBS[name]})
    assert not checked.faults, verdict(checked)


@ONE_SEARCH
def test_no_way_out_may_be_missing_where_a_pod_may_compute(shipped: Checked) -> None:
    first = {}
    for node in shipped.by_job["default"].nodes.values():
        if node.is_live and node.axes.pod == "yes" and node.axes.state != S.RELEASE:
            first.setdefault(node.axes.state, node)
    assert len(first) == 10, "create to collect"
    for state, node in first.items():
        for trigger in WAYS_OUT:
            table = plants.without(trigger, S(state)).table
            wanted = f"{state}: a pod may compute (pod yes), without an edge for {trigger}"
            assert wanted in faults_at(node, table)


@pytest.mark.parametrize(
    ("lifecycle", "named"),
    [
        (plants.another_end(), "monitor --job_ended--> done is allowed while a pod may compute"),
        (plants.without_guards(T.RELEASED, S.RELEASE, "release_is_proved"), "release --released--> report is allowed"),
        slow(
            plants.without_guards(T.TRY_NEXT, S.RELEASE, "release_is_proved"),
            "release --try_next--> select is allowed",
        ),
        (plants.without(T.CANCEL, S.PREFLIGHT), "preflight: a pod may compute (pod yes), without an edge for cancel"),
        slow(
            plants.without(T.POD_GONE, S.MONITOR),
            "monitor: a pod may compute (pod yes), without an edge for pod_gone",
        ),
        (plants.elsewhere(T.CANCEL, S.BOOT, S.SELECT), "boot --cancel--> select leads past the release"),
        (plants.without(T.CANDIDATE_CHOSEN, S.SELECT), "select: the step raises Forbidden: job: no rule for"),
        slow(plants.without(T.STEP_FAILED, S.STAGE), "stage: the step raises Forbidden: job: no rule for"),
        (plants.without_debt(), "create: a pod may compute (pod maybe), and nobody is named to release it"),
        (plants.without_probe(Op.CREATE_POD), "create: nothing settles an unknown create_pod"),
        slow(plants.without_probe(Op.LAUNCH_JOB), "launch: nothing settles an unknown launch_job"),
        slow(plants.without_probe(Op.STOP_JOB, Op.FETCH_LOG, Op.PULL_ARTIFACT), "collect: nothing settles an unknown"),
        (plants.acting_probe(Op.CREATE_POD), "the probe of create_pod in state create causes create_pod"),
        slow(plants.acting_probe(Op.LAUNCH_JOB), "the probe of launch_job in state launch causes launch_job"),
        slow(plants.back_and_forth(), "no end can be reached"),
    ],
    ids=words,
)  # fmt: skip
def test_a_planted_fault_in_table_or_state_is_named(lifecycle: plants.JobLifecycle, named: str) -> None:
    assert_named(check(lifecycle, DEFAULT, faults_max=1), named)


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (plants.always_delete, "release_how says delete, and the results are nowhere else"),
        slow(plants.stale_claim, "collect: release_how says delete, and the results are nowhere else (job running)"),
        (plants.by_name_only, "delete_pod of a pod of somebody else"),
        slow(plants.no_answer_for_gone, "release_how says delete, and the results are nowhere else"),
        (plants.adopting_by_name_only, "of a pod of somebody else"),
        (plants.hasty_proof, "release --released--> report is allowed while a pod may compute"),
        slow(plants.endless_proof, "release: no end can be reached"),
    ],
    ids=words,
)
def test_a_planted_fault_in_a_policy_is_named(
    plant: Callable[[pytest.MonkeyPatch], None], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    job = "delete" if plant is plants.no_answer_for_gone else "default"
    assert_named(check(JOB_LIFECYCLE, {job: JOBS[job]}, faults_max=1), named)


@pytest.mark.parametrize(
    ("loop", "named"),
    [
        (plants.Unsynced, "report: the outcome of write_manifest is written without a sync"),
        (plants.MovesFirst, "validate --spec_accepted--> reclaim moves before its record is durable"),
        (plants.MovesSilently, "memory moves to reclaim without a record; the journal says validate"),
        (plants.ActsFirst, "write_manifest without an intent in the journal"),
        (
            plants.ForgetsUnknowns,
            "create: an unknown create_pod is followed by the look survey",
        ),
    ],
    ids=words,
)
def test_a_planted_fault_in_the_loop_is_named(loop: type[plants.Loop], named: str) -> None:
    assert_named(check(JOB_LIFECYCLE, DEFAULT, loop=loop, faults_max=1), named)


@ONE_SEARCH
def test_a_rule_that_nobody_takes_is_named(shipped: Checked) -> None:
    spare = Rule(T.COLLECTED, S.MONITOR, S.RELEASE, "planted")
    table = plants.with_rules(*JOB.every_rule, spare).table
    assert list(unexplained(table, shipped.moves, has_paused=False, has_retries=False, judging=frozenset({"end"}))) == [
        "monitor --collected--> release is never taken, and nothing says why"
    ]


def assert_named(checked: Checked, named: str) -> None:
    """The fault was found, and its sentence and story say what it is."""
    faults = checked.faults
    assert any(named in sentence for sentence in faults), list(faults)
    assert all(len(story) > 1 for story in faults.values()), faults
