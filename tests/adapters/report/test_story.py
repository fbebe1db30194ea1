"""The story is told whatever the records hold: a listener must not raise, and a page must not be forged."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.adapters.report.story import tell
from rpd.journal.codec import event_name
from rpd.journal.records import Body, Intent, Outcome, Record, Stamp, Transition
from rpd.states.facts import Facts, new_facts
from tests.journal.samples import opened

CONFIG = {"name": "job", "pod": {"image": "i", "gpu_order": ["NVIDIA L4"]}, "run": {"body": "true"}}
CLOUD = {"name": "custom", "url": "http://127.0.0.1:1", "quiet_window_seconds": "2", "proof_interval_seconds": "1"}


def record(body: Body) -> Record:
    return Record(7, 1, "job-1", Stamp(1e9, 1.0, "b"), "", event_name(body), "kind", True, "", "", body)


@pytest.fixture
def facts() -> Facts:
    return new_facts(opened(config=CONFIG, cloud=CLOUD), "job-1")


@pytest.mark.parametrize(
    "body",
    [
        Intent("1", "create_pod", "create", {"order": {"env": []}, "candidate": None}),
        Outcome("1", "create_pod", "ok", data={"pod": {}}),
        Outcome("1", "run_step", "ok", data={"key": [], "exit_code": 0}),
        Outcome("1", "run_step", "ok", data={"key": "setup-1-x", "exit_code": 0, "seconds": float("nan")}),
        Outcome("1", "push_tree", "ok", data={"pushed": {"sent_files": None}}),
        Outcome("1", "pull_artifact", "ok", data={}),
        Outcome("1", "arm_switch", "ok", data={"armed": 3}),
    ],
    ids=lambda body: body.op,
)
def test_records_that_no_run_has_written(facts: Facts, body: Any) -> None:
    told = tell(record(body), facts)
    assert told
    assert "nan" not in told


def test_a_story_line_is_one_line(facts: Facts) -> None:
    move = Transition("spec_refused", "validate", "report", "x", "bad\n[ 9.0 s] released: absent\x1b[2K")
    assert tell(record(move), facts) == "bad [ 9.0 s] released: absent"
