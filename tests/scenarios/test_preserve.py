"""A pod that stays up after the end, for a person to look into: until when, at what price, and who stops it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess

import pytest

from tests.scenarios.harness import GATED, CommandLine, artifact, config, eventually

FAILING = "mkdir -p /workspace/out; echo traces >/workspace/out/result; exit 3"
PRESERVE = {"on_failure": "preserve", "preserve_minutes": 30}


@pytest.mark.slow
@pytest.mark.row(96, 104)
def test_a_failed_run_keeps_its_pod_up_and_says_for_how_long(cli: CommandLine) -> None:
    done = cli.run(config(FAILING, lifecycle=PRESERVE, artifacts=artifact()))
    assert done.returncode == 5, done.stderr
    assert "the job's exit code was 3" in done.stderr
    assert "its pod is kept up" in done.stderr
    assert "released by the switch in the pod at" in done.stderr
    assert _opens(done.stderr)
    assert f"rpd release {cli.run_id}" in done.stderr
    cli.judge("RUNNING", starts=1)
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"], seen["exit_code"]) == ("failed", "job_failed", 3)
    assert seen["kept_until"] == seen["released_by"]["at"]
    assert [debt["kind"] for debt in seen["debts"]] == ["compute"]
    assert json.loads(cli.result("runpod_deploy_pull_manifest.json"))["outcome"] == "failed"
    assert cli.result("out/result") == "traces\n"

    spared = cli.rpd("gc", "--yes")
    assert spared.returncode == 0, spared.stdout
    assert "spared: kept up until" in spared.stdout
    again = cli.rpd("resume", cli.run_id)
    assert again.returncode == 5, again.stderr
    cli.judge("RUNNING", starts=1)

    gone = cli.rpd("release", cli.run_id)
    assert gone.returncode == 0, gone.stderr
    cli.judge("EXITED", starts=1)
    assert cli.inspect()["outcome"] == "failed"


@pytest.mark.row(96, 99)
@pytest.mark.slow
def test_the_switch_stops_a_preserved_pod_and_gc_closes_its_books(cli: CommandLine) -> None:
    done = cli.run(config("exit 3", lifecycle={"on_failure": "preserve", "preserve_minutes": 0.3}))
    assert done.returncode == 5, done.stderr
    cli.judge("RUNNING", starts=1)
    eventually(lambda: [pod["status"] for pod in cli.truth()["pods"]] == ["EXITED"], seconds=60.0)
    closed = cli.rpd("gc", "--yes")
    assert closed.returncode == 0, closed.stdout
    seen = cli.inspect()
    assert (seen["state"], seen["outcome"], seen["kept_until"]) == ("done", "failed", None)
    assert [debt["kind"] for debt in seen["debts"]] == ["storage"]


@pytest.mark.row(96)
@pytest.mark.slow
def test_a_success_may_keep_its_pod_up_too_and_the_next_run_is_not_held_up(cli: CommandLine) -> None:
    document = config("exit 0", lifecycle={"on_success": "preserve", "preserve_minutes": 30})
    assert cli.run(document).returncode == 0
    first = cli.run_id
    done = cli.run(document)
    assert done.returncode == 0, done.stderr
    assert f"run {first} of this job still keeps its pod up" in done.stderr
    assert [pod["status"] for pod in cli.truth()["pods"]] == ["RUNNING", "RUNNING"]


@pytest.mark.row(96)
@pytest.mark.slow
def test_what_a_pod_kept_up_may_still_cost_counts_in_the_day(cli: CommandLine) -> None:
    document = config("exit 0", lifecycle={"on_success": "preserve", "preserve_minutes": 30})
    assert cli.run(document).returncode == 0
    listed = cli.rpd("runs")
    assert "succeeded, its pod is kept up" in listed.stdout
    done = cli.run(document, "--max-usd-per-day", "1.5")
    assert done.returncode == 7, done.stderr
    assert "those that are not over may still cost" in done.stderr


@pytest.mark.row(96, 112)
@pytest.mark.slow
def test_what_has_used_up_its_budget_is_not_preserved(cli: CommandLine) -> None:
    done = cli.run(config("sleep 300", lifecycle=PRESERVE, budget={"max_runtime_minutes": 0.05}))
    assert done.returncode == 7, done.stderr
    assert "not kept up: the budget is used up" in done.stderr
    cli.judge("EXITED", starts=1)


@pytest.mark.row(99)
@pytest.mark.slow
def test_a_person_keeps_a_run_s_pod_up_for_longer(cli: CommandLine) -> None:
    live = cli.begin(config(f"{GATED}exit 0"))
    live.until("monitor")
    kept = cli.rpd("release", cli.run_id, "--keep-until", "1h")
    assert kept.returncode == 0, kept.stderr
    assert live.end() == 130
    cli.judge("RUNNING", starts=1)
    before = cli.inspect()["kept_until"]
    longer = cli.rpd("release", cli.run_id, "--keep-until", "2h")
    assert longer.returncode == 0, longer.stderr
    assert cli.inspect()["kept_until"] > before
    assert "cost cap" not in kept.stderr + longer.stderr
    longest = cli.rpd("release", cli.run_id, "--keep-until", "20h")
    assert (longest.returncode, "no longer: the cost cap of $1.00" in longest.stderr) == (0, True), longest.stderr
    assert cli.rpd("release", cli.run_id, "--mode", "preserve").returncode == 0
    cli.judge("RUNNING", starts=1)
    assert cli.rpd("release", cli.run_id, "--mode", "delete", "--yes").returncode == 0
    cli.judge("TERMINATED", starts=1)


@pytest.mark.row(96, 104)
@pytest.mark.slow
def test_gc_gives_back_the_second_pod_of_a_create_and_spares_the_one_that_is_kept_up(cli: CommandLine) -> None:
    cli.fault("F15", delay=20.0)
    done = cli.run(config("exit 3", lifecycle=PRESERVE))
    assert done.returncode == 5, done.stderr
    eventually(lambda: cli.statuses() == ["RUNNING", "RUNNING"], seconds=60.0)
    planned = cli.rpd("gc")
    assert "a second pod of its create; the first one is kept up until" in planned.stdout
    told = cli.rpd("gc", "--yes")
    assert told.returncode == 0, told.stdout
    assert sorted(cli.statuses()) == ["RUNNING", "TERMINATED"]
    seen = cli.inspect()
    assert seen["kept_until"] is not None
    assert [debt["kind"] for debt in seen["debts"]] == ["compute"]
    assert "spared: kept up until" in cli.rpd("gc", "--yes").stdout
    assert len(json.loads(cli.rpd("cost", "--json").stdout)["pods"]) == 2


def test_contradictions_are_refused(cli: CommandLine) -> None:
    done = cli.rpd("release", "--stop", "--mode", "delete")
    assert done.returncode == 2
    assert "stop and delete contradict each other" in done.stderr


def _opens(said: str) -> bool:
    """Whether the command that it says opens the pod does so."""
    command = next(line.partition("look:")[2] for line in said.splitlines() if line.startswith("look:"))
    client = [*shlex.split(command), "true"]
    if shutil.which(client[0]) is None:
        return True
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    return subprocess.run([client[0], *options, *client[1:]], capture_output=True, check=False).returncode == 0
