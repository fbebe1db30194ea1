"""A success whose log speaks against it is told of while its pod is there; it stays a success."""

from __future__ import annotations

import pytest

from rpd.adapters.report.why import why
from rpd.engine.decision import Do, Fire, Look
from rpd.engine.errors import UserError
from rpd.journal.records import Intent, Observation
from rpd.states import collect, report
from rpd.states.operations.results import ReadLog
from rpd.states.policy.doubts import doubt, doubts, had_no_room
from rpd.states.ports.log_reading import LogReading, SeenSign
from rpd.states.ports.names import Op, Reason, State, Trigger
from rpd.states.ports.world import Claim
from rpd.states.shared import reading
from rpd.states.shared.notice import end_notice
from tests.fakes.facts import args_of, claimed, facts_in, fold, seen, stamp
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob

CRASH = SeenSign("RuntimeError: CUDA error: no kernel image is available", "no_kernel_image")
FULL = SeenSign("No space left on device", "disk_full")
DOUBTED = LogReading(CRASH, (CRASH, FULL))
ASKED = {"command": "cat"}
WORDS = "this counts as a success, but the job's log says: RuntimeError: CUDA error: no kernel image is available"


def ops(fake: FakeWorld) -> list[str]:
    """Effects and looks in the order of the journal."""
    bodies = (record.body for record in fake.journal.records())
    return [body.op for body in bodies if isinstance(body, Intent | Observation)]


def test_somebody_is_told_before_the_pod_is_deleted() -> None:
    fake = FakeWorld(notify=ASKED)
    fake.workspace.log_reading = DOUBTED
    ending = fake.process()
    assert (ending.outcome, ending.exit_code) == ("succeeded", 0)
    assert fake.workspace.notices == ["doubt", "end"]
    done = ops(fake)
    assert done.index(Op.PULL_ARTIFACT) < done.index(Op.READ_LOG) < done.index(Op.NOTIFY) < done.index(Op.DELETE_POD)
    assert fake.replayed().results.reading == DOUBTED
    assert (fake.workspace.manifest or {})["doubts"] == [CRASH.line, FULL.line]
    fake.assert_settled()


@pytest.mark.parametrize("config", [{"notify": ASKED}, {}])
def test_a_success_without_a_doubt_tells_of_none(config: dict[str, dict[str, str]]) -> None:
    fake = FakeWorld(**config)
    fake.workspace.log_reading = LogReading(SeenSign("Permission denied", "permission"))
    assert fake.process().outcome == "succeeded"
    assert fake.workspace.notices == (["end"] if config else [])
    assert (fake.workspace.manifest or {})["doubts"] == []


def test_a_failure_is_no_doubt_and_is_told_with_its_cause() -> None:
    fake = FakeWorld(FakeJob(exit_code=3), notify=ASKED)
    fake.workspace.log_reading = DOUBTED
    fake.process()
    assert fake.workspace.notices == ["end"]
    told = [record.body.args["notice"]["text"] for record in fake.journal.records() if is_notice(record.body)]
    assert told == [f"the run ends failed (job_failed); rpd's exit code is 5; the job's log says: {CRASH.line}"]
    assert doubts(fake.facts) == ()
    manifest = fake.workspace.manifest or {}
    assert manifest["reason_text"] == f"the job ended with exit code 3; its log says: {CRASH.line}"


def is_notice(body: object) -> bool:
    return isinstance(body, Intent) and body.op == Op.NOTIFY


def test_the_log_is_looked_at_once_and_a_look_that_fails_keeps_nobody() -> None:
    facts = claimed(facts_in(State.COLLECT, artifacts=[]), "ended", exit_code=0)
    facts.ending.reason, facts.results.log_fetched = Reason.JOB_SUCCEEDED, True
    facts.job = facts_in(State.COLLECT, artifacts=[], telemetry={"enabled": False}).job
    decision = collect.decide(facts, stamp(200.0))
    assert decision == Look(ReadLog("/run/run.log"))
    seen(facts, Op.READ_LOG, error="no right to read", reason="local_disk")
    assert collect.decide(facts, stamp(200.0)) == Fire(Trigger.COLLECTED)
    seen(facts, Op.READ_LOG, reading=DOUBTED)
    assert collect.decide(facts, stamp(200.0)) == Fire(Trigger.COLLECTED), "nobody asked to be told"
    assert reading.decide_reading(facts) is None


def test_the_pod_is_gone_and_what_came_of_the_log_is_looked_at_all_the_same() -> None:
    facts = claimed(facts_in(State.REPORT, notify=ASKED), "running")
    facts.ending.reason = Reason.JOB_LOST
    assert isinstance(report.decide(facts, stamp(200.0)), Look)
    seen(facts, Op.READ_LOG, reading=DOUBTED)
    told = report.decide(facts, stamp(200.0))
    assert isinstance(told, Do) and args_of(told)["notice"]["text"].endswith(f"the job's log says: {CRASH.line}")
    facts = facts_in(State.REPORT)
    assert reading.decide_reading(facts) is None, "no job was started"


def test_another_launch_has_a_log_of_its_own() -> None:
    fake = FakeWorld(FakeJob(seconds=600.0), retries=1, notify=ASKED)
    fake.workspace.log_reading = DOUBTED
    fake.clock.after(100.0, lambda: fake.cloud.halt(fake.cloud.only(), "TERMINATED"))
    assert fake.process().outcome == "succeeded"
    assert fake.facts.launch.number == 2
    looks = [record.body for record in fake.journal.records() if is_look(record.body)]
    assert len(looks) == 1


def is_look(body: object) -> bool:
    return isinstance(body, Observation) and body.op == Op.READ_LOG


def test_words_of_several_doubts() -> None:
    facts = facts_in(State.REPORT, notify=ASKED)
    facts.ending.reason = Reason.JOB_SUCCEEDED
    facts.results.reading = DOUBTED
    assert doubt(facts) == f"{WORDS} (and 1 more such sign)"
    facts.results.reading = LogReading(CRASH, (CRASH,))
    assert doubt(facts) == WORDS
    decision = end_notice(facts)
    assert isinstance(decision, Do) and args_of(decision)["notice"]["text"].endswith(f"is 0; {WORDS}")
    facts.ending.reason = Reason.RESULTS_UNVERIFIED
    assert doubt(facts) is None


def test_a_disk_that_was_full_is_a_cause_and_a_doubt() -> None:
    facts = claimed(facts_in(State.REPORT, notify=ASKED), "ended", exit_code=0, disk_was_full=True)
    facts.ending.reason, facts.results.reading = Reason.JOB_SUCCEEDED, LogReading()
    full = "the disk of the job's log was full when the job ended"
    assert doubt(facts) == f"this counts as a success, but {full}"
    facts.results.reading = LogReading(FULL, (FULL,))
    assert [each.line for each in doubts(facts)] == [FULL.line], "told once"
    seen(facts, Op.READ_CLAIM, claim=Claim("ended", 1, 0))
    assert had_no_room(facts), "a new container does not remember it"
    facts.ending.reason, facts.results.reading = Reason.JOB_FAILED, LogReading()
    assert f"{full}, so its last words may be missing; the disk is full" in why(facts)
    facts.results.reading = LogReading(CRASH)
    assert CRASH.line in why(facts) and full not in why(facts)


def test_a_workspace_that_raises_is_no_end_of_a_run() -> None:
    fake = FakeWorld(notify=ASKED)

    def broken(log_file: str) -> LogReading:
        raise UserError("no right to read", reason="local_disk")

    fake.workspace.read_log = broken  # type: ignore[method-assign]
    assert fake.process().outcome == "succeeded"
    fold(fake.facts, Observation(Op.READ_LOG, {}, "no right", "local_disk"))
    fake.assert_settled()
