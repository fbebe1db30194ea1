"""What a script leaves in the background is waited for in the pod: whoever drives the run, and whatever ends it."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.adapters.report.background import left_words, waiting_words
from rpd.adapters.report.ending import last_words
from rpd.adapters.report.story import tell
from rpd.states import launch, monitor
from rpd.states.ports.log_reading import LogReading, SeenSign
from rpd.states.ports.names import Op, State
from rpd.states.ports.world import LaunchOrder
from tests.fakes.facts import args_of, claimed, facts_in, seen, stamp
from tests.fakes.fake_world import FakeWorld
from tests.fakes.fuse import Crash, Fuse
from tests.fakes.remote import FakeJob

WORK = FakeJob(seconds=30.0, background=300.0)
WAITS = "python3 (7) uses a GPU"


def told(fake: FakeWorld) -> list[str]:
    facts = fake.facts
    return [text for record in fake.journal.records() if (text := tell(record, facts)) is not None]


def test_the_run_waits_for_it_and_says_so() -> None:
    fake = FakeWorld(WORK)
    ending = fake.process()
    assert (ending.outcome, ending.reason) == ("succeeded", "job_succeeded")
    claim = fake.facts.launch.claim
    assert claim is not None and claim.ended_at is not None and claim.started_at is not None
    assert claim.ended_at - claim.started_at == 330.0
    assert any(WAITS in text and "ended with exit code 0" in text for text in told(fake))
    assert any(
        line.startswith("left: ") and "exit code nobody knows" in line for line in last_words(fake.facts, stamp(0.0))
    )
    fake.assert_settled()


def test_a_crash_of_what_was_waited_for_is_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves no exit code, and the log is looked at when it has ended, not when its script has."""
    fake = FakeWorld(WORK, notify={"command": "cat"})
    crash = SeenSign("RuntimeError: late")
    read = fake.workspace.read_log

    def read_log(log_file: str) -> LogReading:
        claim = fake.facts.launch.claim
        is_over = claim is not None and claim.ended_at is not None and fake.facts.results.log_fetched
        return LogReading(crash, (crash,)) if is_over else read(log_file)

    monkeypatch.setattr(fake.workspace, "read_log", read_log)
    assert fake.process().outcome == "succeeded"
    assert fake.workspace.notices == ["doubt", "end"]
    assert "beware:  this counts as a success, but the job's log says: RuntimeError: late" in last_words(
        fake.facts, fake.clock.now()
    )


def test_an_engine_that_dies_while_it_waits_goes_on_waiting() -> None:
    """Everywhere where it can die."""
    places = 0
    while True:
        fake = FakeWorld(FakeJob(seconds=30.0, background=120.0))
        try:
            fake.process(fuse=Fuse(places))
        except Crash:
            pass
        else:
            break
        ending = fake.finish()
        assert (ending.outcome, ending.reason) == ("succeeded", "job_succeeded"), places
        assert len(fake.remote.starts) == 1
        fake.assert_settled()
        places += 1
    assert places > 20


@pytest.mark.parametrize(
    ("requests", "config", "outcome", "reason"),
    [
        (("cancel",), {}, "cancelled", "cancelled"),
        (
            (),
            {"budget": {"cost_cap_usd": 10.0, "max_runtime_minutes": 5, "ssh_ready_timeout_sec": 60}},
            "failed",
            "budget",
        ),
        ((), {"run": {"body": "x", "success_marker": "OK", "done_on": "marker"}}, "succeeded", "job_succeeded"),
        ((), {"run": {"body": "x", "failure_markers": ["OK"]}}, "failed", "failure_marker"),
    ],
)
def test_what_ends_a_job_ends_a_wait(
    requests: tuple[str, ...], config: dict[str, Any], outcome: str, reason: str
) -> None:
    fake = FakeWorld(
        FakeJob(seconds=30.0, background=100_000.0, says={"OK": 200.0} if "run" in config else {}), **config
    )
    for request in requests:
        fake.clock.after(300.0, lambda request=request: fake.control.ask(request))
    ending = fake.process()
    assert (ending.outcome, ending.reason) == (outcome, reason)
    fake.assert_settled()


BUDGET = {"budget": {"cost_cap_usd": 10.0, "max_runtime_minutes": 5, "ssh_ready_timeout_sec": 60}}


@pytest.mark.parametrize(
    ("waits_for", "outcome", "reason"),
    [
        ("sh (7) was told to outlive the script", "succeeded", "job_succeeded"),
        (WAITS, "failed", "budget"),
    ],
)
def test_a_budget_that_ends_a_wait(waits_for: str, outcome: str, reason: str) -> None:
    """A good job with a helper that never ends stays a good job; work that was cut off is told as such, with the
    script's own exit code."""
    fake = FakeWorld(FakeJob(seconds=30.0, background=100_000.0, waits_for=waits_for), **BUDGET)
    ending = fake.process()
    assert (ending.outcome, ending.reason) == (outcome, reason)
    words = "\n".join([*told(fake), *last_words(fake.facts, stamp(0.0))])
    assert "143" not in words and waits_for in words, words
    assert ("waited for in vain up to the end of the budget, and ended" in words) is (outcome == "succeeded"), words
    assert ("cut off" in words) is (outcome == "failed"), words
    fake.assert_settled()


def test_a_vain_wait_needs_the_success_marker() -> None:
    job = FakeJob(seconds=30.0, background=100_000.0, waits_for="sh (7) was told to outlive the script")
    fake = FakeWorld(job, run={"body": "x", "success_marker": "OK"}, **BUDGET)
    assert fake.process().reason == "budget"


@pytest.mark.parametrize(("said", "seconds"), [("never", 30.0), ("auto", 330.0), ("always", 330.0)])
def test_the_config_says_whether_it_is_waited_for(said: str, seconds: float) -> None:
    fake = FakeWorld(WORK, run={"body": "x", "wait_for_background": said})
    assert fake.process().outcome == "succeeded"
    claim = fake.facts.launch.claim
    assert claim is not None and claim.ended_at is not None and claim.started_at is not None
    assert claim.ended_at - claim.started_at == seconds


def order(**config: Any) -> LaunchOrder:
    return args_of(launch._launch(facts_in(State.LAUNCH, **config)))["order"]


def test_where_results_are_written_goes_along_with_the_launch() -> None:
    artifacts = [
        {"label": label, "remote_path": path, "local_path": label}
        for label, path in (("a", "/workspace/out"), ("b", "/workspace/runs/check-*/w.pt"), ("c", "/workspace/x?"))
    ]
    made: Any = order(artifacts=artifacts, checkpoints={"paths": ["/workspace/ckpt"]})
    assert list(made["results"]) == ["/workspace/out", "/workspace/runs", "/workspace", "/workspace/ckpt"]
    assert (made["background"], made["keeps_left"]) == ("auto", False)
    kept: Any = order(lifecycle={"on_success": "preserve"})
    assert kept["keeps_left"]


def test_a_wait_is_what_the_status_line_says() -> None:
    facts = claimed(facts_in(State.MONITOR), "running", started_at=0.0, body_code=0, waits_for=WAITS)
    seen(facts, Op.READ_POD, at=100.0, pod=facts.pod.seen if facts.pod else None)
    look: Any = monitor.decide(facts, stamp(101.0))
    assert "left in the background" in look.operation.label


def test_what_was_left_is_told_once_it_is_known() -> None:
    running = {"phase": "running", "launch": 1, "body_code": 0, "waits_for": WAITS}
    assert WAITS in (waiting_words({"claim": running}) or "")
    assert waiting_words({"claim": {**running, "phase": "ended"}}) is None
    assert waiting_words({"claim": {"phase": "running", "launch": 1}}) is None
    facts = claimed(facts_in(State.COLLECT), "ended", exit_code=0, left="2 sleep (7), python3 (8)", unknown="1 x (9)")
    ended, unknown = left_words(facts)
    assert ended == "2 processes left in the background, ended: sleep (7), python3 (8)"
    assert unknown.startswith("1 process which the job may have left")
    assert left_words(claimed(facts_in(State.COLLECT), "ended", exit_code=0)) == []
