"""Getting a pod: the next candidate, the other cloud, waiting for stock, and limits that are kept before renting."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.journal.records import Intent, Outcome
from tests.scenarios.harness import GATED, CommandLine, config
from tests.scenarios.live import eventually

TWO = {"gpu_order": ["NVIDIA L4", "NVIDIA RTX A5000"], "datacenters": ["EUR-IS-1", "EU-RO-1"]}


def tried(cli: CommandLine) -> list[tuple[str, str | None, str]]:
    """GPU, data center and cloud of each create, in order."""
    orders = [
        record.body.args["candidate"]
        for record in cli.records()
        if getattr(record.body, "op", None) == "create_pod" and not isinstance(record.body, Outcome)
    ]
    return [(order["gpu_id"], order["datacenter_id"], order["cloud"]) for order in orders]


def refused(cli: CommandLine) -> list[dict[str, Any]]:
    return [
        {"reason": record.body.reason, "error": record.body.error}
        for record in cli.records()
        if isinstance(record.body, Outcome) and record.body.op == "create_pod" and record.body.status == "failed"
    ]


@pytest.mark.weak_point(14)
@pytest.mark.row(33, 34, 35, 36, 123)
def test_candidates_are_taken_in_order_each_refusal_with_its_reason(cli: CommandLine) -> None:
    cli.fault("F1", times=3)
    done = cli.run(config(pod=TWO))
    assert done.returncode == 0, done.stderr
    assert tried(cli) == [(gpu, place, "SECURE") for gpu in TWO["gpu_order"] for place in TWO["datacenters"]]
    assert [each["reason"] for each in refused(cli)] == ["no_capacity"] * 3
    assert cli.statuses() == ["TERMINATED"]


@pytest.mark.slow
def test_names_that_people_use_are_ordered_by_their_ids(cli: CommandLine) -> None:
    done = cli.run(config(pod={"gpu_order": ["RTX 4090", "NVIDIA L4"], "datacenters": ["RO"]}))
    assert done.returncode == 0, done.stderr
    assert "RTX 4090 means NVIDIA GeForce RTX 4090" in done.stderr and "RO means EU-RO-1" in done.stderr
    assert "at about $0.69/h" in done.stderr, "and not at an assumed price"
    assert tried(cli) == [("NVIDIA GeForce RTX 4090", "EU-RO-1", "SECURE")]


@pytest.mark.slow
def test_a_name_that_fits_several_types_orders_none(cli: CommandLine) -> None:
    cli.job(config(pod={"gpu_order": ["NVIDIA L4", "A100"], "datacenters": ["EUR-RO-1"]}))
    done = cli.run()
    assert done.returncode == 2, done.stderr
    choices = "'A100' may mean NVIDIA A100 80GB PCIe ($1.39/h), NVIDIA A100-SXM4-80GB ($1.49/h)"
    assert done.stderr.count(choices) == 1, "told once"
    assert "there is no data center 'EUR-RO-1'; did you mean 'EU-RO-1'?" in done.stderr
    assert cli.statuses() == [] and tried(cli) == []
    plan = cli.rpd("run", "job.yaml", "--plan", "--sandbox")
    assert plan.returncode == 2 and choices in plan.stderr
    assert cli.rpd("estimate", "job.yaml", "--sandbox").returncode == 2


@pytest.mark.slow
def test_a_container_that_cannot_start_ends_the_run_within_seconds(cli: CommandLine) -> None:
    cli.fault("F16", at="STARTING", log="pull")
    done = cli.run(config(budget={"ssh_ready_timeout_sec": 50}))
    assert done.returncode == 6, done.stderr
    assert "image_failed" in done.stderr and "toomanyrequests" in done.stderr and "pod.registry_id" in done.stderr
    assert cli.statuses() == ["TERMINATED"] and cli.truth()["pods"][0]["billed_seconds"] < 20.0


def ordered(cli: CommandLine) -> list[list[str]]:
    """The data centers that each create named."""
    bodies = [record.body for record in cli.records() if isinstance(record.body, Intent)]
    return [body.args["order"]["datacenter_ids"] for body in bodies if body.op == "create_pod"]


@pytest.mark.slow
def test_the_second_attempt_and_the_next_run_go_elsewhere(cli: CommandLine) -> None:
    cli.fault("F16", at="STARTING")
    job = config(pod={"datacenters": []}, budget={"ssh_ready_timeout_sec": 2})
    done = cli.run(job)
    assert done.returncode == 0, done.stderr
    first, second = cli.truth()["pods"]
    assert (first["status"], second["status"]) == ("TERMINATED", "TERMINATED")
    (anywhere, elsewhere) = ordered(cli)
    assert anywhere == [] and len(elsewhere) > 5 and "EU-RO-1" not in elsewhere
    assert "in another data center" in done.stderr
    done = cli.run(job)
    assert done.returncode == 0, done.stderr
    assert ordered(cli) == [elsewhere], "the next run knows"
    (cli.home / "bad-places.json").write_text("{")
    assert cli.run(job).returncode == 0 and ordered(cli) == [[]]


@pytest.mark.slow
def test_a_host_that_a_command_calls_bad_is_given_back(cli: CommandLine) -> None:
    judging = [{"command": "nvidia-smi -L; exit 3", "on_failure": "next_host"}]
    done = cli.run(config(provision={"health": "cuda"}, preflight=judging))
    assert done.returncode == 6, done.stderr
    assert "provision.health: exit code 0" in done.stderr and "preflight command 1 exited with 3" in done.stderr
    assert cli.statuses() == ["TERMINATED", "TERMINATED"] and cli.starts() == 0


@pytest.mark.slow
@pytest.mark.row(37)
def test_the_other_cloud_is_taken_when_the_first_has_nothing(cli: CommandLine) -> None:
    cli.fault("F1", times=1)
    done = cli.run(config(provision={"fallback_cloud_type": "COMMUNITY"}))
    assert done.returncode == 0, done.stderr
    assert [cloud for _, _, cloud in tried(cli)] == ["SECURE", "COMMUNITY"]


@pytest.mark.slow
@pytest.mark.row(38)
def test_a_run_may_wait_for_stock(cli: CommandLine) -> None:
    cli.fault("F1", times=2)
    done = cli.run(config(), "--wait-for-stock", "1m")
    assert done.returncode == 0, done.stderr
    assert len(tried(cli)) == 3
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.row(38)
def test_waiting_for_stock_has_an_end(cli: CommandLine) -> None:
    cli.fault("F1", times=0)
    done = cli.run(config(), "--wait-for-stock", "3s")
    assert done.returncode == 6, done.stderr
    assert cli.statuses() == []
    assert "--wait-for-stock" in done.stderr


@pytest.mark.weak_point(13)
@pytest.mark.slow
@pytest.mark.row(39)
def test_a_pod_that_is_billed_above_the_cap_goes_back_at_once(cli: CommandLine) -> None:
    """Its list price is within the cap; what the cloud then bills is not."""
    cli.job(config(pod={"gpu_count": 2}, budget={"max_gpu_price_usd": 0.3}))
    done = cli.run()
    assert done.returncode == 6, done.stderr
    assert cli.starts() == 0


@pytest.mark.slow
@pytest.mark.row(115)
def test_the_limit_of_the_day_is_kept_before_anything_is_rented(cli: CommandLine) -> None:
    assert cli.run(config(budget={"max_usd": 0.5})).returncode == 0
    done = cli.run(None, "--max-usd-per-day", "0.4")
    assert done.returncode == 7, done.stderr
    assert "above the day's $0.40" in done.stderr
    assert len(cli.journals()) == 1
    assert cli.run(None, "--max-usd-per-day", "5").returncode == 0


@pytest.mark.slow
@pytest.mark.row(115)
def test_a_run_that_goes_on_counts_with_all_that_it_may_cost(cli: CommandLine) -> None:
    live = cli.begin(config(GATED, budget={"max_usd": 0.5}))
    live.until("monitor")
    other = config(name="other", budget={"max_usd": 0.5})
    done = cli.run(other, "--max-usd-per-day", "0.9")
    assert done.returncode == 7, done.stderr
    assert "may still cost $0.50" in done.stderr
    cli.go()
    assert live.end() == 0, live.text
    assert cli.run(None, "--max-usd-per-day", "0.9").returncode == 0
    cli.judge("TERMINATED", "TERMINATED", starts=2)


@pytest.mark.slow
@pytest.mark.row(107, 115)
def test_of_runs_that_begin_together_only_as_many_begin_as_the_day_has_room_for(cli: CommandLine) -> None:
    for name in ("one", "two", "three"):
        cli.job(config(GATED, name=name, budget={"max_usd": 0.5, "max_usd_per_day": 0.9}), f"{name}.yaml")
    lives = [cli.start("run", f"{name}.yaml", "--sandbox") for name in ("one", "two", "three")]
    eventually(lambda: cli.starts() == 1 and [live.process.poll() for live in lives].count(7) == 2)
    cli.go()
    assert sorted(live.end() for live in lives) == [0, 7, 7]
    cli.judge("TERMINATED", starts=1)
