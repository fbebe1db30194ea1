"""One create, two pods: the second one is found, given back at once, and counted."""

from __future__ import annotations

import msgspec
import pytest

from rpd.engine.errors import Refused, Unavailable
from rpd.journal.records import DebtChange
from rpd.states.facts.release import SurveyedPod
from rpd.states.policy.rules import spent_usd, used
from rpd.states.policy.twin import ends_if_absent
from rpd.states.ports.names import Op, State
from tests.fakes.cloud import FakePod
from tests.fakes.facts import facts_in, seen, stamp
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob

HOUR = 3600.0
PRESERVE = {"on_success": "preserve", "preserve_minutes": 30}
QUIET_SECONDS = 180.0


def stage_with_twin(late_seconds: float = 0.0, seconds: float = HOUR, **config: object) -> FakeWorld:
    """A job of an hour, in one of two pods that its create has made."""
    fake = FakeWorld(FakeJob(seconds=seconds), **config)
    fake.cloud.plan("create", f"twin:{late_seconds}")
    return fake


def both(fake: FakeWorld) -> tuple[FakePod, FakePod]:
    """The pod of the run, and its twin."""
    pod, twin = fake.cloud.pods.values()
    assert twin.twin_of == pod.id
    return pod, twin


def billed(pod: FakePod) -> float:
    """Seconds, by the ledger."""
    return sum((end or 0.0) - (begin or 0.0) for begin, end in pod.billed)


def test_a_twin_is_deleted_while_its_pod_boots() -> None:
    fake = stage_with_twin()
    assert fake.process().outcome == "succeeded"
    pod, twin = both(fake)
    assert billed(twin) < 20.0 and billed(pod) > HOUR
    assert len(fake.remote.starts) == 1
    fake.assert_settled()


@pytest.mark.parametrize("late", [60.0, 150.0])
def test_a_twin_that_is_shown_late_is_deleted_when_the_quiet_window_is_over(late: float) -> None:
    fake = stage_with_twin(late)
    assert fake.process().outcome == "succeeded"
    assert billed(both(fake)[1]) < QUIET_SECONDS + 20.0
    fake.assert_settled()


def test_what_a_twin_costs_counts_and_its_debt_is_opened_and_closed_with_proof() -> None:
    fake = stage_with_twin(100.0)
    fake.process()
    pod, twin = both(fake)
    now = fake.clock.now()
    seconds, dollars = used(fake.facts, now)
    assert seconds == pytest.approx(billed(pod) + billed(twin), abs=1.0)
    disks = 40 * 0.10 / 730.0
    assert dollars == pytest.approx((0.27 + disks) * seconds / HOUR, rel=0.001)
    assert spent_usd(fake.replayed(), now) == pytest.approx(dollars)
    key = f"{pod.order.name}#{twin.id}"
    changes = [(r.event, c) for r in fake.journal.records() for c in getattr(r.body, "debts", ()) if c.key == key]
    (seen, opened), (proved, closed) = changes
    assert (opened.change, opened.kind, opened.usd_per_hour, closed.change) == ("open", "compute", 0.27, "close")
    assert seen == proved == "survey_seen" or seen == proved, (seen, proved)
    assert closed.proof is not None and closed.proof.startswith("absent by id, seen 3 times over ")
    assert fake.workspace.manifest is not None
    assert [(each["id"], each["name"]) for each in fake.workspace.manifest["pods"]] == [
        (pod.id, pod.order.name),
        (twin.id, key),
    ]
    assert fake.workspace.manifest["pods"][1]["billed_seconds"] == pytest.approx(billed(twin), abs=1.0)
    assert fake.workspace.manifest["pod_id"] == pod.id


def test_the_budget_counts_a_twin() -> None:
    """It was shown late, when it had computed for as long as the pod itself."""
    fake = stage_with_twin(150.0, budget={"max_usd": 10.0, "max_runtime_minutes": 10})
    assert fake.process().reason == "budget"
    pod, twin = both(fake)
    assert billed(pod) + billed(twin) == pytest.approx(600.0, abs=40.0)
    fake.assert_settled()


@pytest.mark.parametrize("how", ["boot", "late"])
def test_a_preserved_pod_is_left_up_alone(how: str) -> None:
    fake = stage_with_twin(0.0 if how == "boot" else 150.0, 30.0, lifecycle=PRESERVE)
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 0)
    pod, twin = both(fake)
    assert (pod.is_billing, twin.is_billing) == (True, False)
    assert fake.compute_debts == [pod.order.name]
    fake.clock.advance(HOUR)
    assert fake.finish().closed
    assert not fake.cloud.billing and not fake.compute_debts


@pytest.mark.parametrize("late", [0.0, 20.0, 90.0])
def test_a_detached_pod_is_left_up_alone(late: float) -> None:
    fake = stage_with_twin(late)
    fake.clock.after(100.0, lambda: fake.control.ask("detach"))
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    pod, twin = both(fake)
    assert (pod.is_billing, twin.is_billing) == (True, False)
    assert fake.compute_debts == [pod.order.name]


def test_a_twin_that_is_shown_after_its_run_was_detached_is_found_by_the_next_process() -> None:
    fake = stage_with_twin(150.0)
    fake.clock.after(60.0, lambda: fake.control.ask("detach"))
    assert fake.process().exit_code == 75
    fake.clock.advance(200.0)
    fake.process("gc", command="gc")
    pod, twin = both(fake)
    assert (pod.is_billing, twin.is_billing) == (True, False), "the job still runs, and its pod is spared"


def test_a_survey_that_fails_is_tried_again_and_ends_no_run() -> None:
    fake = stage_with_twin()
    fake.cloud.plan("list", *[Unavailable("503", reason="server_error")] * 4)
    assert fake.process().outcome == "succeeded"
    assert billed(both(fake)[1]) < 300.0
    fake.assert_settled()


def test_a_key_that_may_not_list_for_a_while_does_not_end_the_release() -> None:
    fake = stage_with_twin()
    fake.cloud.plan("list", *[Refused("no", reason="key_refused")] * 2)
    assert fake.process().outcome == "succeeded"
    fake.assert_settled()


def test_a_cloud_that_kept_a_twin_for_long_is_still_told_to_let_go_of_the_pod() -> None:
    fake = stage_with_twin()
    fake.cloud.plan("delete", *["ignored"] * 60)
    fake.clock.after(HOUR + 20.0, lambda: fake.cloud.plans.clear())
    assert fake.process().closed
    assert not fake.cloud.billing
    pod, twin = both(fake)
    seconds = used(fake.facts, fake.clock.now())[0]
    assert seconds == pytest.approx(billed(pod) + billed(twin), abs=5.0)


def test_a_survey_that_could_not_tell_of_all_pods_is_no_miss_of_a_twin() -> None:
    """The twin may be among those that the record had no room for."""
    facts = facts_in(State.MONITOR)
    pod, twin = (SurveyedPod(each, f"{facts.name_prefix}1", "RUNNING") for each in ("pod1", "pod2"))
    key = f"{pod.name}#pod2"
    seen(facts, Op.SURVEY, at=200.0, found=[pod, twin])
    facts.debts.compute[key] = DebtChange(key, "compute", "open")
    for second in (220.0, 240.0, 260.0, 280.0):
        seen(facts, Op.SURVEY, at=second, found=[pod], left_out=1)
    assert (facts.pods[key].missed.looks, facts.pods[key].is_gone) == (0, False)
    assert ends_if_absent(facts, stamp(300.0)) == {}
    for second in (300.0, 315.0):
        seen(facts, Op.SURVEY, at=second, found=[pod])
    seen(facts, Op.SURVEY, at=320.0, found=[pod], left_out=1)
    assert facts.pods[key].missed.looks == 2, "it is none that shows again, either"
    assert list(ends_if_absent(facts, stamp(330.0))) == [key]
    seen(facts, Op.SURVEY, at=330.0, found=[pod])
    assert facts.pods[key].is_gone and facts.pods[key].spans[0].until == stamp(300.0)


def test_a_twin_that_ends_by_itself_is_counted_as_long_as_it_was_seen() -> None:
    fake = stage_with_twin(100.0)
    fake.clock.after(300.0, lambda: fake.cloud.halt(fake.cloud.pods["pod2"], "TERMINATED"))
    fake.cloud.plan("delete", *["ignored"] * 20)
    fake.clock.after(400.0, lambda: fake.cloud.plans.clear())
    assert fake.process().closed
    assert not fake.compute_debts
    seconds = used(fake.facts, fake.clock.now())[0]
    assert seconds == pytest.approx(sum(map(billed, both(fake))), abs=60.0)


def test_a_pod_under_another_id_is_not_deleted_where_the_one_with_the_job_is_gone() -> None:
    """A provider that moves a pod to another machine shows it under a new id, with its volume."""
    fake = stage_with_twin(1e9)

    def move() -> None:
        pod, moved = both(fake)
        fake.cloud.halt(pod, "TERMINATED")
        moved.visible_at = moved.listed_at = 0.0

    fake.clock.after(600.0, move)
    assert fake.process().closed
    pod, moved = both(fake)
    assert moved.status == "EXITED", "stopped, not deleted"
    assert list(fake.facts.debts.storage) == [f"{pod.order.name}#{moved.id}"]
    fake.assert_settled()


def test_the_twin_of_a_host_that_never_booted_is_given_back_while_the_next_one_runs() -> None:
    fake = FakeWorld(FakeJob(seconds=HOUR))
    fake.cloud.boot_seconds = [1e9, 1e9, 20.0]
    fake.cloud.plan("create", "twin:400")
    assert fake.process().outcome == "succeeded"
    _first, twin, second = fake.cloud.pods.values()
    assert billed(twin) < 800.0 and billed(second) > HOUR
    fake.assert_settled()


def test_a_create_whose_answer_was_lost_and_that_made_two() -> None:
    fake = FakeWorld(FakeJob(seconds=HOUR))
    fake.cloud.plan("create", "ambiguous")
    fake.clock.after(1.0, lambda: fake.cloud.make_twin(fake.cloud.pods["pod1"], 60.0))
    assert fake.process().outcome == "succeeded"
    assert billed(both(fake)[1]) < QUIET_SECONDS
    fake.assert_settled()


def test_a_pod_that_another_owner_has_ordered_under_the_same_name_is_no_twin() -> None:
    """Two machines with copies of one journal, from before the create: both are on the way to their first pod."""
    fake = FakeWorld(FakeJob(seconds=600.0))
    theirs: list[str] = []

    def rent_elsewhere() -> None:
        ours = fake.cloud.only()
        other = fake.cloud.create(msgspec.structs.replace(ours.order, env={**ours.order.env, "RPD_EPOCH": "2-another"}))
        theirs.append(other.id)

    fake.clock.after(5.0, rent_elsewhere)
    fake.process()
    assert theirs and fake.cloud.pods[theirs[0]].is_billing, "their job may run in it"
    assert fake.facts.launch.was_taken_over
    assert not [debt for debt in fake.compute_debts if "#" in debt]
