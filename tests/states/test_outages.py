"""The network goes away for a while, in every state: the way to the API, the way to the pod, or both. The shipped
lifecycle over fakes, in virtual time."""

from __future__ import annotations

from itertools import product

import pytest

from rpd.engine.decision import Decision
from rpd.engine.runner import Ending
from rpd.states.names import State
from tests.fakes.remote import FakeJob
from tests.fakes.stage import Stage

STATES = tuple(state for state in State if state not in (State.REPORT, State.DONE))
WITHOUT_ADDRESS = (State.VALIDATE, State.RECLAIM, State.SELECT, State.CREATE, State.BOOT)
COMING_UP = (*WITHOUT_ADDRESS, State.CONNECT)
BEFORE_LAUNCH = (*COMING_UP, State.ARM, State.SETUP, State.STAGE, State.PREFLIGHT)
HOW_LONG = (20.0, 120.0, 480.0, 900.0)
DELETE = {"lifecycle": {"on_success": "delete", "on_failure": "delete"}}


def outage(state: State, who: str, seconds: float, *, drops: bool = False) -> tuple[Stage, Ending]:
    """A run that meets it when it first decides something in this state, to the end of its process."""
    stage = Stage(FakeJob(seconds=240.0), **DELETE)

    def begin(decision: Decision) -> None:
        if stage.facts.state is not state:
            return
        stage.hear_decision = lambda decision: None
        if who != "SSH":
            stage.cloud.lose_api(seconds, drops=drops)
        if who != "API":
            stage.remote.lose_link(seconds, drops=drops)

    stage.hear_decision = begin
    return stage, stage.process()


def expected(state: State, who: str, seconds: float) -> tuple[str, str]:
    """Outcome and reason of the run. An outage within patience changes neither."""
    if seconds < 600.0 or state not in BEFORE_LAUNCH:
        return "succeeded", "job_succeeded"
    if who == "both" or (who == "API" and state in WITHOUT_ADDRESS):
        return "refused", "cloud_unreachable"
    if who == "API":
        return "succeeded", "job_succeeded"  # where the way to the pod is known, work goes on
    return "refused", "hosts_never_booted" if state in COMING_UP else "pod_unreachable"


@pytest.mark.parametrize("who", ["SSH", "API", "both"])
@pytest.mark.parametrize("state", STATES)
def test_an_outage_ends_as_was_promised(state: State, who: str) -> None:
    for seconds, drops in product(HOW_LONG, (False, True)):
        case = f"{who} {'dropped' if drops else 'refused'} for {seconds:.0f} s in {state}"
        stage, ending = outage(state, who, seconds, drops=drops)
        is_parked = who == "SSH" and state is State.COLLECT and seconds > 600.0
        assert (ending.closed, ending.exit_code == 75) == (not is_parked, is_parked), (case, ending)
        if is_parked:
            assert stage.cloud.only().status == "EXITED", case  # with the results in it, whatever the file says
        ending = stage.finish(ending)
        assert (ending.outcome, ending.reason) == expected(state, who, seconds), case
        stage.assert_settled()
        assert len(stage.remote.starts) == (ending.outcome == "succeeded"), case
        assert all(pod.status == "TERMINATED" for pod in stage.cloud.pods.values()), case
        hosts = 2 if who == "SSH" and state in COMING_UP and seconds > 300.0 else 1
        assert len(stage.cloud.pods) <= hosts, case
        if ending.outcome == "refused" and ending.reason != "hosts_never_booted":
            assert "could" in (stage.facts.reason_text or "") and "reached" in (stage.facts.reason_text or ""), case
