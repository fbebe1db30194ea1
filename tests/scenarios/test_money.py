"""Answers of the provider that cost money when believed. The sandbox's ledger judges: nothing computes at the end, the
job was started once at most."""

from __future__ import annotations

import signal

import pytest

from tests.scenarios.harness import GATED, CommandLine, artifact, config, eventually

TWO = {"gpu_order": ["NVIDIA L4", "NVIDIA RTX A4000"]}


@pytest.mark.weak_point(3, 4)
@pytest.mark.row(54, 55)
@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("500", {}),
        pytest.param("502", {}, marks=pytest.mark.slow),
        pytest.param("drop", {}, marks=pytest.mark.slow),
        pytest.param("timeout", {"seconds": 2}, marks=pytest.mark.slow),
        pytest.param("truncated", {}, marks=pytest.mark.slow),
    ],
    ids=["500", "502", "drop", "timeout", "truncated"],
)
def test_a_pod_whose_create_was_not_answered_is_adopted(cli: CommandLine, how: str, options: dict[str, float]) -> None:
    cli.fault("F12", how=how, **options)
    done = cli.run(config())
    assert done.returncode == 0, done.stderr
    assert cli.struck("F12") == 1
    cli.judge("TERMINATED", starts=1)
    assert "found, adopted" in done.stderr


@pytest.mark.row(55)
@pytest.mark.slow
def test_a_pod_that_shows_late_is_adopted_too(cli: CommandLine) -> None:
    cli.fault("F12")
    cli.fault("F14", lag=1.2)
    done = cli.run(config())
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)


@pytest.mark.row(54, 55)
@pytest.mark.slow
def test_a_create_that_truly_failed_is_repeated_after_the_quiet_window(cli: CommandLine) -> None:
    cli.fault("F13")
    done = cli.run(config())
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)
    assert cli.truth()["pods"][0]["name"].endswith("-a2")


@pytest.mark.slow
def test_a_pod_that_appears_after_the_next_attempt_is_given_back_while_the_job_runs(cli: CommandLine) -> None:
    cli.fault("F13", delay=3.0)
    live = cli.begin(config(GATED))
    live.until("monitor")
    eventually(lambda: sorted(cli.statuses()) == ["RUNNING", "TERMINATED"], tell=lambda: str(cli.truth()))
    cli.go()
    assert live.end() == 0, live.text
    cli.judge("TERMINATED", "TERMINATED", starts=1)


@pytest.mark.row(53)
@pytest.mark.slow
def test_two_pods_of_one_name(cli: CommandLine) -> None:
    cli.fault("F15")
    done = cli.run(config())
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", "TERMINATED", starts=1)


@pytest.mark.weak_point(6)
@pytest.mark.row(98)
@pytest.mark.parametrize(
    ("how", "options", "times"),
    [
        pytest.param("5xx", {}, 1, marks=pytest.mark.slow),
        pytest.param("linger", {"seconds": 1.5}, 1, marks=pytest.mark.slow),
        pytest.param("late404", {}, 1, marks=pytest.mark.slow),
        ("ignored", {}, 2),
    ],
    ids=["5xx", "linger", "late404", "ignored"],
)
def test_a_delete_that_does_not_say_the_truth(
    cli: CommandLine, how: str, options: dict[str, float], times: int
) -> None:
    cli.fault("F29", times=times, how=how, **options)
    done = cli.run(config())
    assert done.returncode == 0, done.stderr
    assert cli.struck("F29") == times
    cli.judge("TERMINATED", starts=1)
    assert cli.inspect()["debts"] == []


@pytest.mark.slow
def test_ctrl_c_on_a_young_pod_that_delete_does_not_find(cli: CommandLine) -> None:
    cli.play(boot_seconds=60)
    cli.fault("F14", lag=1.5)
    cli.fault("F29", how="late404")
    live = cli.begin(config())
    live.until("boot")
    live.press()
    assert live.end() == 130, live.text
    cli.judge("TERMINATED", starts=0)


@pytest.mark.weak_point(6)
@pytest.mark.row(98)
@pytest.mark.slow
def test_a_stop_that_is_ignored_is_repeated(cli: CommandLine) -> None:
    cli.fault("F29", how="ignored", on="stop")
    done = cli.run(config("exit 3"))
    assert done.returncode == 5, done.stderr
    cli.judge("EXITED", starts=1)


@pytest.mark.row(57, 60)
@pytest.mark.slow
@pytest.mark.parametrize("on", ["create", "delete", "any"])
def test_a_storm_of_rate_limits_slows_down_and_passes(cli: CommandLine, on: str) -> None:
    cli.fault("F11", times=1, seconds=1.5, on=on)
    done = cli.run(config())
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)


@pytest.mark.weak_point(4)
@pytest.mark.slow
@pytest.mark.parametrize("on", ["get", "list", "delete", "catalog"])
def test_pages_of_the_edge_in_place_of_answers(cli: CommandLine, on: str) -> None:
    cli.fault("F33", times=4, on=on)
    done = cli.run(config())
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_a_storm_of_edge_pages_on_everything(cli: CommandLine) -> None:
    cli.fault("F33", times=6, how="503")
    done = cli.run(config())
    assert done.returncode == 0, done.stderr
    cli.nothing_computes()
    assert cli.starts() == 1


@pytest.mark.slow
@pytest.mark.row(56, 58)
def test_a_host_that_never_boots_is_given_back_for_the_next(cli: CommandLine) -> None:
    cli.fault("F16")
    done = cli.run(config(pod=TWO, budget={"ssh_ready_timeout_sec": 2}))
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", "TERMINATED", starts=1)
    assert cli.inspect()["pod"]["gpu"] == "NVIDIA RTX A4000"


@pytest.mark.row(58)
@pytest.mark.slow
def test_hosts_that_never_boot_end_the_run(cli: CommandLine) -> None:
    cli.fault("F16", times=0)
    done = cli.run(config(pod=TWO, budget={"ssh_ready_timeout_sec": 1}))
    assert done.returncode == 6, done.stderr
    cli.judge("TERMINATED", "TERMINATED", starts=0)
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"], seen["debts"]) == ("refused", "hosts_never_booted", [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("F16", {"seconds": 1}),
        ("F17", {"seconds": 1}),
        ("F17", {"seconds": 1, "how": "empty"}),
        ("F18", {"seconds": 1}),
        ("F19", {"seconds": 1, "how": "refuse"}),
        ("F19", {"seconds": 1, "how": "nobanner"}),
        ("F19", {"seconds": 1, "how": "close"}),
        ("F19", {"seconds": 1, "how": "auth"}),
        ("F34", {"how": "extra"}),
        ("F34", {"how": "null"}),
        ("F32", {"how": "short"}),
        ("F34", {"how": "status"}),
    ],
    ids=lambda value: value if isinstance(value, str) else value.get("how", ""),
)
def test_a_slow_or_odd_start_is_waited_out(cli: CommandLine, fault: str, options: dict[str, object]) -> None:
    cli.fault(fault, **options)
    done = cli.run(config())
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_a_host_that_is_refused_a_restart_is_waited_for(cli: CommandLine) -> None:
    result = "mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt\n"
    live = cli.begin(config(result + GATED, artifacts=artifact()))
    live.until_begun()
    cli.fault("F21", times=0)
    cli.fault("F26", how="stop")
    live.until_text("free GPU")
    live.signal(signal.SIGTERM)
    assert live.end() == 75, live.text
    cli.judge("EXITED", starts=1)
    assert f"rpd resume {cli.run_id}" in live.text
    cli.clear_faults()
    done = cli.rpd("resume")
    assert done.returncode == 143, done.stderr
    assert cli.result() == "42\n"
    cli.nothing_computes()


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "options"), [("F20", {"seconds": 1}), ("F22", {})], ids=["old-address", "no-gpu"])
def test_a_restart_with_surprises_still_collects(cli: CommandLine, fault: str, options: dict[str, float]) -> None:
    result = "mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt\n"
    live = cli.begin(config(result + GATED, artifacts=artifact()))
    live.until_begun()
    cli.fault(fault, **options)
    cli.fault("F26", how="stop")
    assert live.end() == 10, live.text
    assert cli.struck(fault) == 1
    assert cli.result() == "42\n"
    cli.judge("EXITED", starts=1)
