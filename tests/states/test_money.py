"""Money as the states reckon it: every factor, cap and share."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.engine.decision import Do, Fire
from rpd.states import boot, create, done, select
from rpd.states.facts.pod import Candidate, Span
from rpd.states.facts.run import Options
from rpd.states.interrupts import interrupts
from rpd.states.policy import cost
from rpd.states.policy.manifest import manifest
from rpd.states.policy.rules import (
    budget_seconds_left,
    budget_share,
    is_over_price_cap,
    limit_at,
    price_cap,
    profile_poll,
    released_by,
    running_seconds,
    spent_usd,
    stock_wait_seconds,
    time_limit_seconds,
    usd_per_hour,
    used,
    used_up,
)
from rpd.states.ports.names import Op, Reason, State, Trigger
from rpd.states.ports.world import Offer
from tests.fakes.facts import args_of, tried
from tests.states.situations import GPU, add_pod, arm, at, facts_of

FOUR = {"pod": {"image": "i", "gpu_order": [GPU], "gpu_count": 4, "container_disk_gb": 30}}
CPU = {"pod": {"image": "i", "cpu_order": ["cpu3c"], "vcpu_count": 8}}
DISKS = 50 * 0.10 / 730.0
"""30 GB of the container and 20 of the volume, an hour."""
HOUR = 3600.0


def capped(usd: float, **config: Any) -> Any:
    return facts_of(budget={"max_gpu_price_usd": usd, "cost_cap_usd": 10.0}, **config)


# The rates.


def test_disks_and_volumes_cost_what_the_provider_says() -> None:
    assert cost.usd(2.0, 1800.0) == 1.0
    assert cost.stopped_usd_per_month(50) == pytest.approx(10.0)
    assert cost.stopped_usd_per_hour(50) == pytest.approx(10.0 / 730.0)
    assert cost.running_disk_usd_per_hour(30, 20) == pytest.approx(DISKS)
    assert cost.network_volume_usd_per_month(1000) == pytest.approx(70.0)
    assert cost.network_volume_usd_per_month(2024) == pytest.approx(1024 * 0.07 + 1000 * 0.05)


# A price is for one GPU, a pod has several.


def test_the_price_of_a_pod_is_that_of_all_its_gpus() -> None:
    facts = facts_of(**FOUR)
    assert select.usd_per_hour(facts, Candidate(GPU, None, "SECURE")) == 2.0
    assert select.usd_per_hour(facts, Candidate(GPU, None, "COMMUNITY")) is None, "another cloud, another price"
    assert select.usd_per_hour(facts, Candidate("H100", None, "SECURE")) is None
    cpu = facts_of(**CPU)
    cpu.search.offers = (Offer("cpu3c", "SECURE", 0.03),)
    assert select.usd_per_hour(cpu, Candidate("cpu3c", None, "SECURE")) == pytest.approx(0.24)


def test_the_cap_is_for_each_gpu_and_for_a_whole_cpu_pod() -> None:
    assert price_cap(facts_of()) is None
    assert price_cap(capped(0.5, **FOUR)) == 2.0
    assert price_cap(capped(0.5, **CPU)) == 0.5


@pytest.mark.parametrize(("cap", "chosen"), [(0.5, GPU), (0.49, None), (0.51, GPU)])
def test_four_gpus_are_within_the_cap_when_each_of_them_is(cap: float, chosen: str | None) -> None:
    candidate = select.choose(capped(cap, **FOUR), at(0.0))
    assert (candidate.gpu_id if candidate else None) == chosen


def test_an_unknown_price_is_too_dear_with_a_cap_and_only_then() -> None:
    for price in (None, 0.0):
        facts = capped(9.0, **FOUR)
        facts.search.offers = (Offer(GPU, "SECURE", price),)
        assert select.choose(facts, at(0.0)) is None
        assert select.decide(facts, at(0.0)) == Fire(
            Trigger.NO_CANDIDATE, Reason.PRICE_OVER_CAP, "no candidate is within the price cap"
        )
        free = facts_of(**FOUR)
        free.search.offers = (Offer(GPU, "SECURE", price),)
        assert select.choose(free, at(0.0)) is not None


@pytest.mark.parametrize(("rate", "is_over"), [(2.0, False), (2.0 + DISKS, False), (2.0 + DISKS + 0.01, True)])
def test_a_pod_is_billed_above_the_cap_beyond_its_disks(rate: float, is_over: bool) -> None:
    facts = capped(0.5, **FOUR)
    add_pod(facts, usd_per_hour=rate)
    assert is_over_price_cap(facts) is is_over
    tried(facts, Op.READ_POD, at(1.0))
    decision = boot.decide(facts, at(1.0))
    assert (isinstance(decision, Fire) and decision.reason is Reason.HOST_TOO_DEAR) is is_over
    facts.launch.intended = True
    assert boot.decide(facts, at(1.0)) != decision or not is_over, "what it holds is worth more"


def test_without_a_cap_no_pod_is_too_dear() -> None:
    facts = facts_of(**FOUR)
    add_pod(facts, usd_per_hour=99.0)
    assert not is_over_price_cap(facts)


# The order.


def ordered(facts: Any, seconds: float = 100.0) -> Do:
    facts.state = State.CREATE
    do = create.decide(facts, at(seconds))
    assert isinstance(do, Do)
    return do


def test_a_create_orders_owes_and_limits_what_the_job_asks_for() -> None:
    facts = facts_of(**FOUR, budget={"cost_cap_usd": 4.0})
    do = ordered(facts)
    assert (args_of(do)["order"]["gpu_count"], args_of(do)["usd_per_hour"]) == (4, 2.0)
    (debt,) = do.debts
    assert (debt.key, debt.kind, debt.change, debt.usd_per_hour) == (
        args_of(do)["order"]["name"], "compute", "open", 2.0,
    )  # fmt: skip
    limit = at(100.0).wall + 4.0 / (2.0 + DISKS) * HOUR + 600.0
    assert int(args_of(do)["order"]["env"]["RPD_LIMIT_AT"]) == int(limit)
    assert args_of(do)["order"]["env"]["RPD_RUN_ID"] == facts.run_id
    assert args_of(do)["quiet_window_seconds"] == 180.0


def test_an_unlisted_price_is_assumed_for_the_limit() -> None:
    facts = facts_of(**FOUR, budget={"cost_cap_usd": 4.0, "assumed_hourly_rate_usd": 8.0})
    facts.search.offers = (Offer(GPU, "SECURE", None),)
    assert args_of(ordered(facts))["usd_per_hour"] == 8.0


def test_a_cpu_pod_is_ordered_without_gpus() -> None:
    facts = facts_of(**CPU)
    facts.search.offers = (Offer("cpu3c", "SECURE", 0.03),)
    order = args_of(ordered(facts))["order"]
    assert (order["gpu_count"], order["vcpu_count"], order["cpu_id"], order["gpu_id"]) == (0, 8, "cpu3c", "")


# What was used, and what is left.


def test_all_pods_of_a_run_count_with_their_disks_and_stretches() -> None:
    facts = facts_of(**FOUR)
    add_pod(facts, usd_per_hour=2.0).spans[0].until = at(HOUR)
    second = add_pod(facts, usd_per_hour=3.0)
    second.spans = [Span(at(HOUR), 3.0, at(2 * HOUR)), Span(at(3 * HOUR), 4.0)]
    seconds, dollars = used(facts, at(4 * HOUR))
    assert seconds == 3 * HOUR
    assert dollars == pytest.approx(2.0 + 3.0 + 4.0 + 3 * DISKS)
    assert spent_usd(facts, at(4 * HOUR)) == dollars
    assert running_seconds(second, at(4 * HOUR)) == 2 * HOUR
    told = manifest(facts, at(4 * HOUR))
    assert (told["billed_time_sec"], told["estimated_cost_usd"]) == (seconds, pytest.approx(dollars, abs=1e-6))
    assert [each["billed_seconds"] for each in told["pods"]] == [HOUR, 2 * HOUR]


def test_the_present_rate_has_the_disks_and_is_nothing_when_nothing_computes() -> None:
    facts = facts_of(**FOUR)
    assert usd_per_hour(facts) == 0.0
    pod = add_pod(facts, usd_per_hour=2.0)
    assert usd_per_hour(facts) == pytest.approx(2.0 + DISKS)
    pod.spans[0].until = at(5.0)
    assert usd_per_hour(facts) == 0.0


def test_the_disks_of_a_network_volume_cost_nothing_more_while_the_pod_runs() -> None:
    facts = facts_of(**FOUR, storage={"mode": "network_volume", "volume_name": "v"})
    assert facts.volume_gb == 0
    add_pod(facts, usd_per_hour=2.0)
    assert usd_per_hour(facts) == pytest.approx(2.0 + 30 * 0.10 / 730.0)


@pytest.mark.parametrize(
    ("budget", "limit", "ends_by"),
    [
        ({"cost_cap_usd": 4.0}, 4.0 / 2.0 * HOUR, "money"),
        ({"cost_cap_usd": 4.0, "max_runtime_minutes": 30}, 0.5 * HOUR, "time"),
        ({"cost_cap_usd": 1.0, "max_runtime_minutes": 90}, 0.5 * HOUR, "money"),
        ({"cost_cap_usd": 9.0, "max_usd": 1.0}, 0.5 * HOUR, "money"),
    ],
)
def test_time_and_money_end_a_run_whichever_is_first(budget: dict[str, Any], limit: float, ends_by: str) -> None:
    facts = facts_of(**FOUR, budget=budget)
    add_pod(facts, usd_per_hour=2.0 - DISKS)
    assert time_limit_seconds(facts, 2.0) == pytest.approx(limit)
    assert used_up(facts, at(limit - 1.0)) is None
    assert used_up(facts, at(limit + 0.001)) == ends_by
    assert budget_share(facts, at(limit / 2)) == pytest.approx(0.5)
    assert budget_seconds_left(facts, at(limit / 4)) == pytest.approx(limit * 3 / 4)
    assert budget_seconds_left(facts, at(limit / 4), 0.5) == pytest.approx(limit / 4)
    assert budget_seconds_left(facts, at(limit * 2)) == 0.0
    assert limit_at(facts, at(limit / 4)) == pytest.approx(at(limit + 600.0).wall)
    facts.state = State.MONITOR
    ending = interrupts(State.MONITOR, facts, at(limit + 0.001))
    trigger = Trigger.OUT_OF_TIME if ends_by == "time" else Trigger.OUT_OF_MONEY
    assert ending == Fire(trigger, Reason.BUDGET)


def test_the_limit_without_a_pod_is_now() -> None:
    assert limit_at(facts_of(), at(7.0)) == at(7.0).wall


def test_who_releases_the_pod_and_the_worst_case() -> None:
    facts = facts_of(**FOUR)
    assert released_by(facts, at(0.0)) is None
    pod = add_pod(facts, usd_per_hour=2.0)
    unprotected = released_by(facts, at(HOUR))
    assert unprotected is not None and unprotected.at is None and "NOT PROTECTED" in unprotected.who
    arm(facts, 3 * HOUR)
    who = released_by(facts, at(HOUR))
    assert who is not None and who.at == at(3 * HOUR).wall
    assert who.worst_case_usd == pytest.approx((2.0 + DISKS) * (3 * HOUR + 30.0) / HOUR)
    late = released_by(facts, at(5 * HOUR))
    assert late is not None and late.worst_case_usd == pytest.approx((2.0 + DISKS) * 5)
    for probe, starts in (("key_refused", 1), ("ok", 2)):
        arm(facts, 3 * HOUR, probe)
        pod.starts = starts
        nobody = released_by(facts, at(HOUR))
        assert nobody is not None and nobody.at is None, "a switch of another start, or without a key, proves nothing"


def test_the_wait_for_stock_is_a_person_s_or_the_config_s() -> None:
    assert stock_wait_seconds(facts_of()) == 0.0
    facts = facts_of(provision={"wait_for_stock_minutes": 2})
    assert stock_wait_seconds(facts) == 120.0
    facts.options = Options(wait_for_stock_seconds=7.0)
    assert stock_wait_seconds(facts) == 7.0


def test_looks_at_a_booting_pod_grow_sparing() -> None:
    profile = facts_of().profile
    assert [profile_poll(profile, seconds) for seconds in (0.0, 60.0, 300.0)] == [3.0, 6.0, 12.0]


def test_the_end_tells_what_it_has_cost_and_comes_only_without_debts() -> None:
    facts = facts_of(**FOUR)
    pod = add_pod(facts, usd_per_hour=2.0)
    pod.spans[0].until = at(HOUR)
    facts.ending.reason = Reason.JOB_SUCCEEDED
    with pytest.raises(AssertionError, match="not done while something computes"):
        done.decide(facts, at(HOUR))
    facts.debts.compute.clear()
    closed = done.decide(facts, at(9 * HOUR))
    assert closed.cost_usd == pytest.approx(2.0 + DISKS, abs=1e-6)  # type: ignore[union-attr]
