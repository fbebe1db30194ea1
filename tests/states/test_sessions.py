"""Whole lives of a session, on fake ports: what is said, what bills, what is deleted."""

from __future__ import annotations

import pytest

from rpd.states.interrupts import edges
from rpd.states.policy.rules import released_by
from rpd.states.ports.exits import Exit
from rpd.states.ports.names import BEFORE_ATTENDING, Reason, State, Trigger
from rpd.states.session.lifecycle import FILES
from rpd.states.session.table import SESSION
from tests.states.session_life import HOUR, FakeSession


def when_attending(stage: FakeSession, act: object, after: float = 60.0) -> None:
    """Do it so many seconds after a person is connected."""
    is_done = False

    def hear(decision: object) -> None:
        nonlocal is_done
        if not is_done and stage.is_attending:
            is_done = True
            stage.clock.after(after, act)  # type: ignore[arg-type]

    stage.hear_decision = hear


def test_a_session_can_be_interrupted_wherever_a_pod_may_be() -> None:
    ends = (Trigger.CANCEL, Trigger.OUT_OF_TIME, Trigger.OUT_OF_MONEY, Trigger.POD_GONE)
    wanted = {(str(state), str(end)) for state in (*BEFORE_ATTENDING, State.ATTEND) for end in ends}
    assert wanted <= edges(SESSION)
    assert set(FILES) == set(SESSION.used)


def test_connected_is_said_only_after_the_service_has_answered() -> None:
    stage = FakeSession()
    stage.remote.service_seconds = 90.0
    answered: list[bool] = []
    stage.hear_decision = lambda decision: (
        answered.append(stage.remote.answers(stage.cloud.only()))
        if getattr(decision, "trigger", None) == Trigger.CONNECTED
        else None
    )
    stage.leave_after(600.0, "delete")
    ending = stage.process()
    assert answered == [True] and ending.exit_code == 0
    assert stage.states == ["create", "boot", "connect", "arm", "tunnel", "attend", "release", "done"]
    stage.assert_over()


@pytest.mark.parametrize(("how", "status", "closed"), [("delete", "TERMINATED", True), ("stop", "EXITED", False)])
def test_leaving_does_what_was_chosen(how: str, status: str, closed: bool) -> None:
    stage = FakeSession()
    stage.leave_after(600.0, how)
    ending = stage.process()
    assert (stage.status(), ending.closed, ending.exit_code) == (status, closed, Exit.DONE)
    stage.assert_over()


def test_an_unanswered_leave_stops_the_pod() -> None:
    stage = FakeSession()
    stage.leave_after(600.0, None)
    ending = stage.process()
    assert (stage.status(), ending.exit_code) == ("EXITED", Exit.DONE)


@pytest.mark.parametrize(("what", "code"), [("interrupt", 130), ("terminate", 143), ("gc", 130), ("release", 0)])
def test_whatever_else_ends_it_keeps_what_the_person_left(what: str, code: int) -> None:
    stage = FakeSession()
    stage.control.ask_after(600.0, what)
    ending = stage.process()
    assert (stage.status(), ending.exit_code, ending.closed) == ("EXITED", code, False)
    stage.assert_over()


def test_before_anybody_was_there_the_pod_is_given_back_at_once() -> None:
    stage = FakeSession()
    stage.control.ask_after(10.0, "interrupt")
    ending = stage.process()
    assert (stage.status(), ending.exit_code, ending.closed) == ("TERMINATED", 130, True)


def test_a_kept_pod_stays_until_its_limit_and_the_journal_says_who_releases_it() -> None:
    stage = FakeSession()
    until = stage.clock.now().wall + 1800.0
    stage.leave_after(600.0, "preserve", until=until)
    ending = stage.process()
    assert not ending.closed and ending.exit_code == 0 and stage.status() == "RUNNING"
    who = released_by(stage.facts, stage.clock.now())
    assert who is not None and who.at == pytest.approx(until, abs=1.0) and "switch" in who.who
    assert stage.compute_debts, "it bills, so it is owed"
    stage.clock.advance(1300.0)
    assert stage.status() == "EXITED", "its switch stops it"


def test_resume_attaches_again_to_a_kept_pod() -> None:
    stage = FakeSession()
    stage.leave_after(600.0, "preserve", until=stage.clock.now().wall + 1800.0)
    stage.process()
    stage.clock.advance(60.0)
    stage.leave_after(60.0, "delete")
    ending = stage.process(command="resume")
    assert stage.states[-6:] == ["connect", "arm", "tunnel", "attend", "release", "done"]
    assert (ending.exit_code, stage.status(), len(stage.cloud.pods)) == (0, "TERMINATED", 1)


def test_resume_starts_a_stopped_pod_again_with_the_time_asked_for() -> None:
    stage = FakeSession()
    stage.leave_after(3000.0, "stop")
    stage.process()
    stage.clock.advance(86400.0)
    stage.leave_after(3000.0, "stop")
    ending = stage.process(command="resume")
    assert ending.exit_code == 0 and stage.facts.progress.granted_seconds > 2900.0
    assert stage.cloud.only().starts == 2 and stage.status() == "EXITED"
    stage.assert_over()


def test_the_limit_stops_the_pod_and_resume_grants_it_again() -> None:
    stage = FakeSession()
    ending = stage.process()
    assert (ending.exit_code, stage.status(), stage.facts.ending.reason) == (7, "EXITED", Reason.BUDGET)
    seconds = stage.cloud.only().billed[0][1]
    assert seconds is not None and 3600.0 <= seconds < 3640.0
    stage.clock.advance(600.0)
    assert stage.process(command="resume").exit_code == 7
    assert stage.cloud.only().starts == 2


@pytest.mark.parametrize("request_", ["cancel", "release"])
def test_a_stopped_session_can_be_ended_for_good(request_: str) -> None:
    stage = FakeSession()
    stage.leave_after(600.0)
    stage.process()
    ending = stage.process(request_, command="release")
    assert ending.closed and stage.status() == "EXITED"
    stage.assert_over()


def test_gc_leaves_a_stopped_session_to_its_owner() -> None:
    stage = FakeSession()
    stage.leave_after(600.0)
    stage.process()
    ending = stage.process("gc", command="gc")
    assert not ending.closed and stage.status() == "EXITED" and stage.facts.ending.reason is Reason.LEFT


def test_a_service_that_never_answers_gives_the_fresh_pod_back() -> None:
    stage = FakeSession()
    stage.remote.service_seconds = 1e9
    ending = stage.process()
    assert (ending.reason, ending.exit_code, stage.status()) == ("service_not_ready", 5, "TERMINATED")
    assert "attend" not in stage.states
    (billed,) = stage.cloud.only().billed
    assert billed[1] is not None and billed[1] < 700.0, "ten minutes, and the boot"


def test_a_service_that_does_not_come_back_stops_a_pod_that_somebody_worked_in() -> None:
    stage = FakeSession()
    stage.leave_after(600.0)
    stage.process()
    stage.remote.service_seconds = 1e9
    ending = stage.process(command="resume")
    assert (ending.closed, ending.exit_code, stage.status()) == (False, 5, "EXITED")


def test_a_service_that_dies_ends_nothing() -> None:
    stage = FakeSession()
    when_attending(stage, lambda: setattr(stage.remote, "services_down_until", stage.clock.real + 300.0))
    stage.leave_after(900.0, "delete")
    assert stage.process().exit_code == 0
    looks = [look.data["served"][0]["is_ready"] for look in stage.looks("attend")]
    assert looks[-3:] == [True, False, True]


@pytest.mark.parametrize("seconds", [30.0, 300.0])
def test_a_lost_network_is_waited_for_and_told(seconds: float) -> None:
    stage = FakeSession()

    def cut() -> None:
        stage.remote.lose_link(seconds)
        stage.cloud.lose_api(seconds)

    when_attending(stage, cut)
    stage.leave_after(1200.0, "delete")
    ending = stage.process()
    assert ending.exit_code == 0 and len(stage.cloud.pods) == 1
    told = [look.error is None for look in stage.looks("attend")]
    assert told[-2:] == [False, True], "that it was lost, and that it is back"


def test_the_switch_stops_the_pod_of_an_owner_who_is_away_for_long_and_nobody_starts_it_unasked() -> None:
    stage = FakeSession()
    when_attending(stage, lambda: (stage.remote.lose_link(1500.0), stage.cloud.lose_api(1500.0)))
    ending = stage.process()
    assert (stage.status(), ending.exit_code, ending.closed) == ("EXITED", Exit.RESUMABLE, False)
    assert stage.cloud.only().starts == 1 and stage.facts.ending.reason is Reason.STOPPED_OUTSIDE
    (billed,) = stage.cloud.only().billed
    assert billed[1] is not None and billed[1] < 800.0
    stage.assert_over()
    stage.leave_after(60.0, "delete")
    assert stage.process(command="resume").exit_code == 0


def test_a_pod_that_is_gone_is_lost() -> None:
    stage = FakeSession()
    when_attending(stage, lambda: stage.cloud.halt(stage.cloud.only(), "TERMINATED"))
    ending = stage.process()
    assert (ending.closed, ending.reason, ending.exit_code) == (True, "pod_vanished", 10)
    stage.assert_over()


def test_a_container_that_is_made_anew_is_connected_again() -> None:
    stage = FakeSession()
    when_attending(stage, lambda: stage.cloud.renew_container(stage.cloud.only()))
    stage.leave_after(900.0, "delete")
    ending = stage.process()
    assert ending.exit_code == 0 and stage.states.count("attend") == 2 and stage.cloud.only().starts == 1


def test_a_host_that_never_boots_is_given_back_and_the_next_is_tried() -> None:
    stage = FakeSession(budget={**HOUR, "ssh_ready_timeout_sec": 60})
    stage.cloud.boot_seconds = [1e6, 20.0]
    stage.leave_after(600.0, "delete")
    ending = stage.process()
    assert ending.exit_code == 0 and [pod.status for pod in stage.cloud.pods.values()] == ["TERMINATED"] * 2


def test_a_session_without_services_is_connected_when_its_pod_answers() -> None:
    stage = FakeSession()
    stage.opened.options.update({"session": {"services": []}})
    stage.leave_after(300.0, "delete")
    assert stage.process().exit_code == 0 and "attend" in stage.states


def test_a_killed_session_is_attached_to_again() -> None:
    stage = FakeSession()
    place = stage.crash(8)
    stage.clock.advance(60.0)
    stage.leave_after(600.0, "delete")
    ending = stage.process(command="resume")
    assert ending.exit_code == 0 and len(stage.cloud.pods) == 1, place
    stage.assert_over()


def test_nobody_returns_and_the_switch_stops_the_pod_by_the_owner_s_silence() -> None:
    stage = FakeSession()

    class Gone(Exception):
        pass

    def die() -> None:
        raise Gone

    when_attending(stage, die)
    with pytest.raises(Gone):
        stage.process()
    stage.clock.advance(660.0)
    assert stage.status() == "EXITED"
