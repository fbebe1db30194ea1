"""Who is told, when, and what the manifest says of a run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rpd.engine.decision import Do, Fire, Look
from rpd.engine.errors import Unavailable
from rpd.engine.operation import Call
from rpd.journal.errors import JournalStrange
from rpd.journal.records import DebtChange, Intent
from rpd.states import report, validate
from rpd.states.facts import Facts
from rpd.states.facts.pod import Candidate, Origin, PodFacts, Span
from rpd.states.facts.search import Refusal
from rpd.states.lifecycle import JOB_LIFECYCLE
from rpd.states.operations import EFFECTS
from rpd.states.operations.results import Notify, WriteManifest
from rpd.states.operations.search import FindPaused
from rpd.states.policy.manifest import manifest, utc
from rpd.states.ports.names import STAYS_LONG, Op, Reason, State, Trigger
from rpd.states.ports.world import Notice, Pulled, World
from rpd.states.shared.notice import WARN_AT, budget_warning, end_notice
from tests.fakes.clock import START_WALL
from tests.fakes.facts import EXAMPLES, args_of, claimed, data_of, facts_in, fold, outcome, seen, stamp

COMMAND = {"command": "mail me"}


def pod_of(facts: Facts) -> PodFacts:
    assert facts.pod is not None
    return facts.pod


# The budget.


@pytest.mark.parametrize("state", State)
def test_a_run_that_works_is_told_of_when_most_of_its_budget_is_used_up(state: State) -> None:
    facts = facts_in(state, budget={"cost_cap_usd": 1000.0, "max_runtime_minutes": 10})
    assert WARN_AT == 0.8 and budget_warning(state, facts, stamp(479.0)) is None
    told = budget_warning(state, facts, stamp(480.0))
    assert (told is not None) is (state in STAYS_LONG)
    assert {State.SETUP, State.STAGE, State.PREFLIGHT, State.MONITOR, State.ATTEND} == set(STAYS_LONG)


def test_money_warns_as_time_does_and_nobody_is_told_twice() -> None:
    facts = facts_in(State.MONITOR, budget={"cost_cap_usd": 1.0})
    decision = budget_warning(State.MONITOR, facts, stamp(0.81 * 3600.0))
    assert isinstance(decision, Do) and "of $1.00" in args_of(decision)["notice"]["text"]
    fold(facts, Intent("1", Op.NOTIFY, "monitor", args_of(decision)))
    assert budget_warning(State.MONITOR, facts, stamp(0.9 * 3600.0)) is None


def test_a_run_that_has_its_ending_is_not_warned_of() -> None:
    facts = facts_in(State.MONITOR, budget={"cost_cap_usd": 0.1})
    facts.ending.reason = Reason.CANCELLED
    assert budget_warning(State.MONITOR, facts, stamp(9999.0)) is None


# The end.


@pytest.mark.parametrize("how", [COMMAND, {"webhook": "https://example.org/x"}])
def test_who_asked_is_told_of_the_end_once(how: dict[str, str]) -> None:
    facts = facts_in(State.REPORT, notify=how)
    facts.ending.reason = Reason.JOB_FAILED
    decision = report.decide(facts, stamp(200.0))
    assert isinstance(decision, Do) and decision.op == Op.NOTIFY
    assert args_of(decision)["notice"]["text"] == "the run ends failed (job_failed); rpd's exit code is 5"
    fold(facts, Intent("1", Op.NOTIFY, "report", args_of(decision)))
    assert end_notice(facts) is None
    assert end_notice(facts_in(State.REPORT)) is None, "nobody asked"


def test_a_pod_that_is_kept_up_is_told_of_with_its_price() -> None:
    facts = facts_in(State.RELEASE, notify=COMMAND)
    for state, kept, is_told in (
        (State.RELEASE, START_WALL, True),
        (State.RELEASE, None, False),
        (State.REPORT, START_WALL, False),
    ):
        facts.state, pod_of(facts).kept_until = state, kept
        decision = end_notice(facts)
        assert isinstance(decision, Do) and ("kept up" in args_of(decision)["notice"]["text"]) is is_told
    facts.state, pod_of(facts).kept_until = State.RELEASE, START_WALL
    assert "at $1.01 an hour" in args_of(end_notice(facts))["notice"]["text"]  # type: ignore[union-attr]


class Desk:
    """This machine, as far as it is told something."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def notify(self, told: Notice) -> bool:
        if self.error is not None:
            raise self.error
        return True

    def write_manifest(self, run_dir: str, content: dict[str, Any]) -> str:
        return f"{run_dir} {content['a']}"

    def check_inputs(self, job: Any, run_dir: str) -> tuple[str, ...]:
        return (run_dir,)


CALL = Call(stamp(0.0))


def world(desk: Desk) -> World:
    return World(None, None, desk, None, None)  # type: ignore[arg-type]


def test_a_message_that_cannot_be_sent_is_written_down_and_not_sent_again() -> None:
    telling = Notify(Notice("end", "r", "w", "t", "c", None))
    assert data_of(telling.perform(CALL, world(Desk()))) == {"what": "end", "sent": True}
    result = telling.perform(CALL, world(Desk(Unavailable("no", reason="timeout"))))
    assert (result.status, result.reason, data_of(result)) == ("failed", "timeout", {"what": "end"})
    unknown = telling.probe(CALL, world(Desk()))
    assert unknown is not None and (unknown.status, unknown.retryable) == ("failed", False)


# The manifest.


def test_a_manifest_that_cannot_be_written_is_tried_three_times() -> None:
    facts = facts_in(State.REPORT)
    for _ in range(3):
        decision = report.decide(facts, stamp(200.0))
        assert isinstance(decision, Do) and decision.op == Op.WRITE_MANIFEST
        outcome(facts, Op.WRITE_MANIFEST, "failed", error="no room")
    assert report.decide(facts, stamp(200.0)) == Fire(Trigger.REPORTED)
    facts = facts_in(State.REPORT)
    outcome(facts, Op.WRITE_MANIFEST, data={"sha256": "ab"})
    assert report.decide(facts, stamp(200.0)) == Fire(Trigger.REPORTED)


def test_the_manifest_reckons_with_every_pod_of_the_run() -> None:
    facts = claimed(
        facts_in(State.REPORT, pod={"image": "i@sha256:d", "gpu_order": ["g"], "gpu_count": 2}), "ended", exit_code=3
    )
    other = PodFacts("n2", Origin(2, Candidate("g", None, "SECURE"), stamp(0.0), stamp(0.0)), 2.0)
    other.spans = [Span(stamp(0.0), 2.0, stamp(1800.0))]
    facts.pods["n2"] = other
    pod_of(facts).spans[0].until = stamp(3600.0)
    facts.ending.reason = Reason.JOB_FAILED
    facts.search.refusals = {"x": Refusal("no_capacity", "sold out")}
    facts.debts.storage = {"p": DebtChange("p", "storage", "open", 0.01)}
    told = manifest(facts, stamp(7200.0))
    disks = 40 * 0.1 / 730.0
    assert told["billed_time_sec"] == 5400.0
    assert told["estimated_cost_usd"] == pytest.approx(1.0 + 1.0 + 1.5 * disks, abs=1e-5)
    assert told["storage_per_month_usd"] == 7.3 and told["disks_per_hour_usd"] == round(disks, 6)
    assert [(each["name"], each["billed_seconds"]) for each in told["pods"]] == [
        (pod_of(facts).name, 3600.0),
        ("n2", 1800.0),
    ]
    assert (told["outcome"], told["reason"], told["ends_with"], told["failed"]) == ("failed", "job_failed", 5, True)
    assert told["reason_text"] == "the job ended with exit code 3" and told["exit_code"] == 3
    assert told["candidates_refused"] == {"x": "sold out"} and told["image_digest"] == "sha256:d"
    assert (told["launches"], told["gpu_count"], told["wall_time_sec"]) == (1, 2, 7200.0)


def test_a_run_that_was_refused_has_a_manifest_too() -> None:
    facts = facts_in(State.REPORT)
    facts.pods, facts.current, facts.ending.reason, facts.ending.text = {}, None, Reason.SPEC_INVALID, "no file"
    told = manifest(facts, stamp(10.0))
    assert (told["pod_id"], told["pod_final_state"], told["launches"], told["exit_code"]) == (None, None, 0, None)
    assert (told["reason_text"], told["estimated_cost_usd"], told["ends_with"]) == ("no file", 0.0, 2)


def test_what_is_not_here_says_why() -> None:
    facts = facts_in(State.REPORT)

    def artifact() -> dict[str, Any]:
        (one,) = manifest(facts, stamp(10.0))["artifacts"]
        return dict(one)

    assert (artifact()["status"], artifact()["error"]) == ("failed", "the job was never started")
    facts.launch.intended = True
    assert artifact()["error"] == "the run ended before it was fetched"
    facts.results.errors = {"model": "x" * 900}
    assert artifact()["error"] == "x" * 500
    facts.results.pulled = {"model": Pulled("model", True)}
    assert (artifact()["status"], artifact()["error"]) == ("missing", "there is nothing at its remote path")
    facts.results.pulled = {"model": Pulled("model", False, 3, 4, "ab", refused=1, refused_paths=("a",))}
    assert artifact()["status"] == "failed"
    facts.results.pulled, facts.results.seconds = {"model": Pulled("model", False, 3, 4, "ab")}, {"model": 1.5}
    one = artifact()
    assert (one["status"], one["files"], one["bytes_transferred"], one["duration_sec"]) == ("success", 3, 4, 1.5)
    assert "error" not in one and one["manifest_sha256"] == "ab"


@pytest.mark.parametrize(
    ("released", "is_gone", "status", "final"),
    [
        ("delete", False, "RUNNING", "TERMINATED"),
        ("absent", False, "RUNNING", "TERMINATED"),
        (None, True, "RUNNING", "TERMINATED"),
        ("stop", False, "RUNNING", "EXITED"),
        (None, False, "RUNNING", "RUNNING"),
        (None, False, None, "UNKNOWN"),
    ],
)
def test_what_became_of_the_pod(released: str | None, is_gone: bool, status: str | None, final: str) -> None:
    facts = facts_in(State.REPORT)
    pod = pod_of(facts)
    pod.released_as, pod.is_gone = released, is_gone
    pod.seen = pod.seen if status else None
    assert manifest(facts, stamp(1.0))["pod_final_state"] == final


def test_a_success_needs_no_words_and_the_furthest_state_is_one_of_work() -> None:
    facts = facts_in(State.REPORT)
    facts.ending.reason, facts.ending.text = Reason.JOB_SUCCEEDED, "exit code 0"
    facts.progress.seconds_in = {"boot": 1.0, "collect": 2.0, "release": 3.0, "setup": 1.2345}
    told = manifest(facts, stamp(1.0))
    assert (told["reason_text"], told["state_reached"], told["failed"]) == (None, "collect", False)
    assert told["seconds_per_state"]["setup"] == 1.234


def test_no_clock_breaks_a_manifest() -> None:
    assert (utc(0.0), utc(1e300), utc(float("nan"))) == ("1970-01-01T00:00:00Z", None, None)


# The inputs.


def test_nothing_is_rented_before_the_inputs_were_looked_at() -> None:
    facts = facts_in(State.VALIDATE)
    decision = validate.decide(facts, stamp(0.0))
    assert isinstance(decision, Look) and decision.op == Op.CHECK_INPUTS
    facts.process.problems = ("a is not there", "b is not there")
    refused = validate.decide(facts, stamp(0.0))
    assert refused == Fire(Trigger.SPEC_REFUSED, Reason.SPEC_INVALID, "a is not there; b is not there")
    facts.process.problems = ()
    assert validate.decide(facts, stamp(0.0)) == Fire(Trigger.SPEC_ACCEPTED)
    seen(facts, Op.CHECK_INPUTS, error="cannot be read", reason="local_disk")
    refused = validate.decide(facts, stamp(0.0))
    assert refused == Fire(Trigger.SPEC_REFUSED, Reason.SPEC_INVALID, "cannot be read")


# The lifecycle.


def test_an_operation_that_nobody_has_is_none_and_one_with_other_arguments_makes_no_sense() -> None:
    assert JOB_LIFECYCLE.effect_of(Intent("1", "nonsense", "boot")) is None
    with pytest.raises(JournalStrange, match="intent 1"):
        JOB_LIFECYCLE.effect_of(Intent("1", Op.STOP_POD, "release", {"pod_id": 7}))
    written = WriteManifest("/r", stamp(0.0), "c").perform(Call(stamp(0.0), {"a": 1}), world(Desk()))
    assert data_of(written) == {"sha256": "/r 1"}


def test_what_may_simply_be_done_again_is() -> None:
    for op in (Op.WRITE_MANIFEST, Op.PULL_CHECKPOINT, Op.REMOVE_SECRETS, Op.PLACE_SECRETS):
        again = msgspec.convert(EXAMPLES[op], EFFECTS[op]).probe(CALL, world(Desk()))
        assert again is not None and (again.status, again.reason, again.retryable) == ("failed", "repeatable", True)
    told = Notify(Notice("end", "r", "w", "t", "c", None)).probe(CALL, world(Desk()))
    assert told is not None and told.reason == "cut_off", "nobody is told twice"


@pytest.mark.parametrize(("poll", "tries", "pause"), [(3.0, 1, 0.25), (3.0, 9, 3.0), (0.1, 1, 0.1), (0.1, 9, 1.0)])
def test_probes_pause_longer_up_to_the_time_between_polls(poll: float, tries: int, pause: float) -> None:
    facts = facts_in(State.CREATE)
    facts.profile = msgspec.structs.replace(facts.profile, poll_seconds=poll)
    assert JOB_LIFECYCLE.probe_pause(facts, tries) == pause


def test_an_operation_is_shown_with_what_it_is_about() -> None:
    for op, words in ((Op.RUN_STEP, "running step"), (Op.PUSH_TREE, "sending t"), (Op.PULL_ARTIFACT, "fetching model")):
        assert msgspec.convert(EXAMPLES[op], EFFECTS[op]).label == words
    assert FindPaused("lineage").label == "looking for a paused pod"


def test_a_claim_is_read_from_the_folder_of_its_own_launch() -> None:
    from rpd.states.facts.handles import job_ref

    facts = facts_in(State.MONITOR, run={"body": "x", "failure_markers": ["a"], "success_marker": "b"})
    facts.launch.number = 2
    ref = job_ref(facts)
    assert (ref.launch, ref.success_marker, ref.failure_markers) == (2, "b", ("a",)) and ref.log_path.endswith(
        "run-2.log"
    )
