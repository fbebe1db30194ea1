"""The account's balance, looked at before anything is rented; the sandbox's ledger keeps it."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.harness import CommandLine, config

BUDGET = {"max_usd": 2.0, "max_runtime_minutes": 60}


@pytest.mark.row(115)
def test_without_credit_nothing_is_begun(cli: CommandLine) -> None:
    cli.play(balance_usd=0.01)
    done = cli.run(config(budget=BUDGET))
    assert done.returncode == 4, done.stderr
    assert (
        "the account's balance is $0.01, and 5 minutes of booting alone cost $0.03; nothing was rented" in done.stderr
    )
    assert "hint:  rpd sandbox set --balance 100" in done.stderr
    assert cli.journals() == [] and cli.statuses() == []


@pytest.mark.slow
@pytest.mark.row(115)
@pytest.mark.parametrize(("balance", "shown"), [(0, "$0.00"), (-3.5, "-$3.50")])
def test_programs_are_told_so_and_a_plan_says_it_too(cli: CommandLine, balance: float, shown: str) -> None:
    cli.play(balance_usd=balance)
    told = cli.run(config(budget=BUDGET), "--json")
    assert (told.returncode, told.stdout) == (4, "")
    error = json.loads(told.stderr)
    assert (error["reason"], error["code"]) == ("no_credit", 4)
    assert error["message"] == f"the account has no credit: its balance is {shown}; nothing was rented"
    plan = cli.rpd("run", "job.yaml", "--sandbox", "--plan", "--json")
    assert plan.returncode == 4, plan.stderr
    found = json.loads(plan.stdout)
    assert found["balance"]["usd"] == balance
    assert [each["level"] for each in found["findings"] if each["check"] == "credit"] == ["error"]
    assert cli.journals() == [] and cli.statuses() == []


@pytest.mark.slow
@pytest.mark.row(115)
def test_a_run_that_may_cost_more_than_there_is_says_so_and_goes_on(cli: CommandLine) -> None:
    cli.play(balance_usd=0.45)
    done = cli.run(config(budget=BUDGET))
    assert done.returncode == 0, done.stderr
    assert "warning: credit: the account's balance is $0.45, and this run may cost $0." in done.stderr
    cli.judge("TERMINATED", starts=1)
    plan = cli.rpd("run", "job.yaml", "--sandbox", "--plan")
    assert plan.returncode == 0 and "balance  $0.45" in plan.stdout
    assert "warning: credit: " in plan.stderr


@pytest.mark.slow
@pytest.mark.row(115)
def test_no_warning_where_the_time_limit_keeps_the_run_below_what_there_is(cli: CommandLine) -> None:
    cli.play(balance_usd=1.0)
    done = cli.run(config(budget={"max_usd": 50.0, "max_runtime_minutes": 30}))
    assert done.returncode == 0, done.stderr
    assert "credit" not in done.stderr
    estimate = cli.rpd("estimate", "job.yaml", "--sandbox")
    assert estimate.returncode == 0 and "balance  $1.00" in estimate.stdout and "credit" not in estimate.stderr


@pytest.mark.row(115)
@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("errors", {}),
        ("429", {}),
        ("gone", {}),
        ("drop", {}),
        ("timeout", {"seconds": 20}),
    ],
)
@pytest.mark.slow
def test_a_balance_that_cannot_be_read_keeps_nobody_from_running(
    cli: CommandLine, how: str, options: dict[str, float]
) -> None:
    cli.play(balance_usd=0.45)
    cli.fault("F38", how=how, times=0, **options)
    done = cli.run(config(budget=BUDGET))
    assert done.returncode == 0, done.stderr
    assert "credit" not in done.stderr
    assert cli.struck("F38") == 1
    cli.judge("TERMINATED", starts=1)
    cli.clear_faults()
    cli.fault("F38")
    found = json.loads(cli.rpd("estimate", "job.yaml", "--sandbox", "--json").stdout)
    assert found["balance"] is None and found["worst_usd"] > 0


@pytest.mark.row(115)
def test_what_others_rent_is_counted_in(cli: CommandLine) -> None:
    order = {
        "name": "somebody",
        "image": "other/image",
        "disk": 20,
        "gpu": {"id": "NVIDIA L4", "count": 1},
    }
    cli.call("POST", "/v2/pods", order)
    cli.play(balance_usd=0.45)
    cli.job(config(budget=BUDGET))
    done = cli.rpd("estimate", "job.yaml", "--sandbox")
    assert done.returncode == 0, done.stderr
    assert "balance  $0.4" in done.stdout and ", and what there is already costs $0." in done.stdout
    assert "from which $0." in done.stderr and "is being spent already" in done.stderr
