"""How runs end: exit code, what became of the pod, what is said. The sandbox's ledger judges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scenarios.harness import GATED, CommandLine, artifact, bare, config, eventually

MAKE_RESULT = "mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt\n"


@pytest.mark.row(74, 75, 90, 93, 94, 106)
@pytest.mark.slow
def test_success_leaves_the_results_and_nothing_else(cli: CommandLine) -> None:
    done = cli.run(config(MAKE_RESULT, artifacts=artifact()))
    assert done.returncode == 0, done.stderr
    assert cli.result() == "42\n"
    cli.judge("TERMINATED", starts=1)
    seen = cli.inspect()
    assert (seen["outcome"], seen["exit_code"], seen["debts"], seen["verified"]) == ("succeeded", 0, [], True)


@pytest.mark.weak_point(16)
@pytest.mark.row(75, 96, 101, 104)
@pytest.mark.parametrize(
    ("sections", "reason", "starts"),
    [
        ({"body": "echo no; exit 3"}, "job_failed", 1),
        pytest.param(
            {"run": {"body": "echo hello", "success_marker": "[job] DONE"}},
            "marker_missing",
            1,
            marks=pytest.mark.slow,
        ),
        ({"artifacts": artifact()}, "artifact_missing", 1),
        pytest.param({"setup": [{"command": "echo broken >&2; exit 9"}]}, "setup", 0, marks=pytest.mark.slow),
        pytest.param({"preflight": [{"command": "false"}]}, "preflight", 0, marks=pytest.mark.slow),
    ],
    ids=["exit-code", "marker", "artifact", "setup", "preflight"],
)
def test_failure_stops_the_pod_and_says_how_to_end_the_storage(
    cli: CommandLine, sections: dict[str, object], reason: str, starts: int
) -> None:
    done = cli.run(config(**sections))  # type: ignore[arg-type]
    assert done.returncode == 5, done.stderr
    cli.judge("EXITED", starts=starts)
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"]) == ("failed", reason)
    assert [debt["kind"] for debt in seen["debts"]] == ["storage"]
    assert f"rpd release {cli.run_id} --delete" in done.stderr
    assert f"rpd inspect {cli.run_id}" in done.stderr
    assert "a month" in done.stderr


@pytest.mark.row(67)
@pytest.mark.slow
def test_the_output_of_a_failed_command_is_shown(cli: CommandLine) -> None:
    done = cli.run(config(setup=[{"command": "echo first; echo the disk is on fire >&2; exit 9"}]))
    assert "exit code 9" in done.stderr
    assert "the disk is on fire" in done.stderr


@pytest.mark.row(91, 96)
@pytest.mark.slow
def test_failure_may_delete_the_pod_after_its_log_was_pulled(cli: CommandLine) -> None:
    done = cli.run(config("echo last words; exit 3", lifecycle={"on_failure": "delete"}))
    assert done.returncode == 5, done.stderr
    cli.judge("TERMINATED", starts=1)
    assert cli.inspect()["debts"] == []
    assert "last words" in cli.result("run.log")


@pytest.mark.weak_point(13)
@pytest.mark.row(112, 113)
def test_a_job_past_its_budget_is_stopped_and_collected(cli: CommandLine) -> None:
    done = cli.run(
        config(f"{MAKE_RESULT}echo begun; sleep 300", artifacts=artifact(), budget={"max_runtime_minutes": 0.05})
    )
    assert done.returncode == 7, done.stderr
    cli.judge("EXITED", starts=1)
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"]) == ("failed", "budget")
    assert "begun" in cli.result("run.log")
    assert cli.result() == "42\n"


@pytest.mark.slow
def test_a_job_may_ask_for_the_largest_numbers(cli: CommandLine) -> None:
    longest = {"max_runtime_minutes": 525600, "ssh_ready_timeout_sec": 31536000, "cost_cap_usd": 1e6}
    done = cli.run(config(budget=longest, setup=[{"command": "true", "timeout_sec": 31536000}]))
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)


@pytest.mark.weak_point(19)
@pytest.mark.row(79, 127)
def test_a_pod_that_vanishes_loses_the_run(cli: CommandLine) -> None:
    live = cli.begin(config(GATED))
    live.until("monitor")
    cli.fault("F26", how="delete")
    assert live.end() == 10, live.text
    cli.judge("TERMINATED", starts=1)
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"], seen["debts"]) == ("lost", "pod_vanished", [])


@pytest.mark.slow
@pytest.mark.row(79, 127)
def test_a_pod_stopped_by_somebody_is_started_and_its_claim_read(cli: CommandLine) -> None:
    live = cli.begin(config(GATED, artifacts=artifact()))
    live.until_begun()
    cli.fault("F26", how="stop")
    assert live.end() == 10, live.text
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"]) == ("lost", "job_lost")
    cli.judge("EXITED", starts=1)
    assert "begun" in cli.result("run.log")


@pytest.mark.row(34, 123)
def test_no_capacity_anywhere_is_refused_and_costs_nothing(cli: CommandLine) -> None:
    cli.fault("F1", times=0)
    done = cli.run(config(pod={"gpu_order": ["NVIDIA L4", "NVIDIA RTX A4000"]}))
    assert done.returncode == 6, done.stderr
    cli.judge(starts=0)
    assert cli.truth()["spent_usd"] == 0
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"], seen["debts"]) == ("refused", "no_capacity", [])
    assert "NVIDIA L4" in done.stderr
    assert "NVIDIA RTX A4000" in done.stderr


@pytest.mark.slow
@pytest.mark.weak_point(14)
@pytest.mark.row(36)
def test_the_next_candidate_is_taken(cli: CommandLine) -> None:
    cli.fault("F1", times=0, gpu="NVIDIA L4")
    done = cli.run(config(pod={"gpu_order": ["NVIDIA L4", "NVIDIA RTX A4000"]}))
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)
    assert cli.inspect()["pod"]["gpu"] == "NVIDIA RTX A4000"


@pytest.mark.slow
def test_a_pool_that_is_not_for_us_is_passed_over(cli: CommandLine) -> None:
    cli.fault("F8", how="pool")
    done = cli.run(config(pod={"gpu_order": ["NVIDIA L4", "NVIDIA RTX A4000"]}))
    assert done.returncode == 0, done.stderr
    assert cli.inspect()["pod"]["gpu"] == "NVIDIA RTX A4000"


@pytest.mark.weak_point(13)
@pytest.mark.row(39)
def test_a_gpu_over_the_price_cap_is_not_rented(cli: CommandLine) -> None:
    done = cli.run(config(budget={"max_gpu_price_usd": 0.01}))
    assert done.returncode == 6, done.stderr
    cli.judge(starts=0)
    assert cli.inspect()["reason"] == "price_over_cap"


@pytest.mark.row(28)
@pytest.mark.parametrize(
    ("fault", "options", "reason"),
    [
        ("F8", {}, "no_credit"),
        ("F9", {"on": "create"}, "key_refused"),
        pytest.param("F9", {"on": "catalog"}, "key_refused", marks=pytest.mark.slow),
        pytest.param("F9", {"how": "scope", "on": "create"}, "key_refused", marks=pytest.mark.slow),
        pytest.param("F10", {"on": "create"}, "key_refused", marks=pytest.mark.slow),
    ],
    ids=["credit", "key", "key-at-the-catalog", "scope", "edge-block"],
)
def test_credit_and_key_are_refused_at_once(cli: CommandLine, fault: str, options: dict[str, str], reason: str) -> None:
    cli.fault(fault, times=0, **options)
    done = cli.run(config())
    assert done.returncode == 4, done.stderr
    cli.judge(starts=0)
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"], seen["debts"]) == ("refused", reason, [])


@pytest.mark.row(8, 12, 13, 15, 16, 18)
@pytest.mark.parametrize(
    ("document", "words"),
    [
        (config("echo {unknown_name}"), "unknown_name"),
        (config(pod={"gpu_ordr": ["NVIDIA L4"]}), "gpu_order"),
        (config(staging=[{"source": "not-there", "destination": "/workspace/in"}]), "not-there"),
        (config(local={"required_paths": ["missing-too"]}), "missing-too"),
        (config(ssh={"key_path": "no-such-key"}), "no-such-key"),
        ({"name": "job"}, "run"),
    ],
    ids=["placeholder", "field", "staging", "required-path", "ssh-key", "incomplete"],
)
def test_bad_input_rents_nothing(tmp_path: Path, document: dict[str, object], words: str) -> None:
    cli = bare(tmp_path)
    done = cli.run(document)
    assert done.returncode in (2, 4), done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert cli.journals() == []
    assert not cli.sandbox_home.exists()


@pytest.mark.slow
@pytest.mark.weak_point(17)
@pytest.mark.row(76)
def test_a_failure_marker_that_the_config_names_ends_the_job(cli: CommandLine) -> None:
    run = {"body": "echo begun; echo 'loss is NaN now'; sleep 300", "failure_markers": ["is NaN"]}
    done = cli.run(config(run=run))
    assert done.returncode == 5, done.stderr
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"]) == ("failed", "failure_marker")
    cli.judge("EXITED", starts=1)


@pytest.mark.weak_point(17)
@pytest.mark.slow
@pytest.mark.row(76)
def test_words_that_look_like_failure_fail_nobody_by_themselves(cli: CommandLine) -> None:
    done = cli.run(config("echo Killed 0 stale workers; echo Traceback; exit 0"))
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.row(76)
def test_a_job_may_be_done_on_its_marker_and_stay(cli: CommandLine) -> None:
    body = f"{MAKE_RESULT}echo '[job] DONE, waiting'; sleep 300"
    run = {"body": body, "success_marker": "[job] DONE", "done_on": "marker"}
    done = cli.run(config(run=run, artifacts=artifact()))
    assert done.returncode == 0, done.stderr
    assert cli.result() == "42\n"
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.row(76, 86)
def test_a_marker_that_was_shown_while_nobody_looked_is_found(cli: CommandLine) -> None:
    run = {"body": f"{GATED}echo IS DONE; sleep 300", "success_marker": "IS DONE", "done_on": "marker"}
    live = cli.begin(config(run=run))
    live.until("monitor")
    live.kill()
    cli.go()
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.parametrize("on_success", ["delete", "stop"])
def test_a_path_too_deep_in_a_result_ends_the_run_and_no_resume_pays_for_it(cli: CommandLine, on_success: str) -> None:
    """All else arrived, the pod is kept for what is not here, and both are said with what to type."""
    deep = "d/" * 256
    body = f"{MAKE_RESULT}mkdir -p /workspace/out/{deep}; echo x > /workspace/out/{deep}f"
    done = cli.run(config(body, artifacts=artifact(), lifecycle={"on_success": on_success}))
    assert done.returncode == 5, done.stderr
    assert cli.result() == "42\n"
    left_out = f"result arrived but for 1 path that may not be created at the destination: {deep[:200]}"
    *_, last_words = done.stderr.partition("failed (results_unverified)")
    assert left_out in last_words and "the rest of it arrived" in last_words, done.stderr
    assert f"the rest is verified and at {cli.run_folder()}/out" in last_words, done.stderr
    assert f"rpd release {cli.run_id} --delete" in last_words, done.stderr
    assert "rpd resume cannot fetch" in done.stderr and "resume fetches them" not in done.stderr
    cli.judge("EXITED", starts=1)
    (told,) = json.loads((cli.run_folder() / "runpod_deploy_pull_manifest.json").read_text())["artifacts"]
    assert (told["status"], told["files"], told["error"]) == ("failed", 1, left_out)
    billed = cli.truth()["pods"][0]["billed_seconds"]
    assert cli.rpd("resume", cli.run_id).returncode == 5
    assert cli.truth()["pods"][0]["billed_seconds"] == billed, "no start is paid for that cannot help"
    spared = cli.rpd("gc", "--yes", "--stopped")
    assert "holds results that could not be fetched" in spared.stdout, spared.stdout
    cli.judge("EXITED", starts=1)
    assert cli.rpd("release", cli.run_id, "--delete", "--yes").returncode == 0
    cli.judge("TERMINATED", starts=1)


def test_a_pod_that_was_locked_while_its_job_ran_says_who_unlocks_it(cli: CommandLine) -> None:
    live = cli.begin(config(GATED, lifecycle={"on_success": "stop"}))
    live.until_begun()
    pod = cli.live_pod()["id"]
    cli.call("PATCH", f"/pods/{pod}", {"locked": True})
    cli.go()
    live.until_text("is locked, so neither rpd nor the switch in it can release it")
    eventually(lambda: [each.event for each in cli.records()].count("stop_pod_failed") > 1, tell=lambda: live.text)
    page = cli.rpd("inspect", cli.run_id).stdout
    assert page.count("curl -X PATCH") == 2, "told once in the story, and once where it bills"
    assert "released by the switch" not in page, "the switch cannot, either"
    assert cli.inspect()["released_by"]["who"].startswith("nobody as long as the pod is locked")
    cli.call("PATCH", f"/pods/{pod}", {"locked": False})
    assert live.end() == 0, live.text
    cli.judge("EXITED", starts=1)
    assert live.text.count("curl -X PATCH") == 1
