"""What runs have left, looked at afterwards: tables, timelines, summaries, comparisons, and the Python API."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rpd
from rpd.adapters.report.why import WHY
from rpd.adapters.run_folder.workspace import MANIFEST_NAME
from rpd.states.ports.names import Reason
from tests.features import used
from tests.scenarios.harness import CommandLine, artifact, config, staged
from tests.scenarios.live import RPD

pytestmark = pytest.mark.xdist_group("past")
"""One worker makes the past runs, and all look at them."""

MAKE_RESULT = "mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt; echo made it"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A good run, a failed one, one that was refused, and a folder of the older tool."""
    with staged(tmp_path_factory.mktemp("past")) as cli:
        assert cli.run(config(MAKE_RESULT, artifacts=artifact(), variables={"seed": "7"})).returncode == 0
        assert cli.run(config("exit 3", artifacts=artifact())).returncode == 5
        assert cli.run(config(budget={"max_gpu_price_usd": 0.01})).returncode == 6
        older = cli.folder / "older" / "20260514T120000Z"
        older.mkdir(parents=True)
        (older / MANIFEST_NAME).write_text(json.dumps(OLDER))
        (older / "events.jsonl").write_text(
            '{"ts_utc": "2026-05-14T12:00:00+00:00", "event": "gpu_selected", "gpu_id": "NVIDIA L4"}\n'
            "not json\n"
            '{"ts_utc": "2026-05-14T12:01:30+00:00", "event": "pod_killed_unexpected", "state": "GONE"}\n'
        )
        yield cli


OLDER = {
    "schema_version": "v1",
    "failed": True,
    "job_name": "old",
    "run_id": "old-20260514T120000Z",
    "gpu_id": "NVIDIA L4",
    "wall_time_sec": 90.0,
    "estimated_cost_usd": 0.5,
}


def told(cli: CommandLine, *words: str) -> dict[str, Any]:
    done = cli.rpd(*words, "--json")
    assert done.returncode in (0, 1), done.stderr
    return dict(json.loads(done.stdout))


def ids(cli: CommandLine) -> list[str]:
    return [path.stem for path in cli.journals()]


@pytest.mark.weak_point(32)
@pytest.mark.row(106, 123, 124)
def test_runs_lists_every_run_also_one_that_rented_nothing(past: CommandLine) -> None:
    rows = told(past, "runs")["runs"]
    assert {(row["outcome"], row["reason"]) for row in rows} == {
        ("succeeded", "job_succeeded"),
        ("failed", "job_failed"),
        ("refused", "price_over_cap"),
    }
    good = next(row for row in rows if row["outcome"] == "succeeded")
    assert (good["gpu"], good["exit_code"], good["source"]) == ("NVIDIA L4", 0, "journal")
    assert good["wall_seconds"] > 0
    assert good["cost_usd"] > 0
    page = past.rpd("runs", "--limit", "2")
    assert len(page.stdout.splitlines()) == 3
    assert "1 older ones are not shown" in page.stderr
    assert told(past, "runs", "--root", str(past.folder / "older"))["runs"][0]["run_id"] == OLDER["run_id"]


@pytest.mark.slow
@pytest.mark.row(125, 126)
def test_events_are_a_timeline_that_can_be_filtered(past: CommandLine) -> None:
    run = ids(past)[0]
    lines = past.rpd("events", run).stdout.splitlines()
    assert lines[0].startswith("  [+0:00]    0 opened  run ")
    assert any(" create_pod_ok  pod " in line and "created: $0.39/h with disks" in line for line in lines)
    launched = told(past, "events", run, "--where", "op=launch_job", "--where", "kind=intent")["events"]
    assert [row["event"] for row in launched] == ["launch_job_intent"]
    everywhere = told(past, "events", "--all", "--where", "event=closed", "--since", "1h")["events"]
    assert len(everywhere) == 3
    assert told(past, "events", "--all", "--since", "0s")["events"] == []
    killed = told(past, "events", "--root", str(past.folder / "older"), "--where", "event=pod_killed_unexpected")
    assert [row["state"] for row in killed["events"]] == ["GONE"]
    assert past.rpd("events", run, "--since", "soon").returncode == 2
    assert past.rpd("events", run, "--where", "nothing").returncode == 2


@pytest.mark.row(94, 117, 122, 128)
def test_the_manifest_says_what_ran_where_and_what_came_back(past: CommandLine) -> None:
    folder = Path(told(past, "summary", ids(past)[0])["run"]["run_dir"])
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    assert manifest["schema_version"] == "v2"
    assert manifest["failed"] is False
    assert manifest["exit_code"] == 0
    assert manifest["variables"] == {"seed": "7"}
    assert manifest["config"]["run"]["body"] == MAKE_RESULT
    assert manifest["state_reached"] == "collect"
    assert manifest["pod_final_state"] == "TERMINATED"
    assert manifest["pods"][0]["billed_seconds"] > 0
    (got,) = manifest["artifacts"]
    assert (got["status"], got["bytes_transferred"], got["delete"]) == ("success", 3, False)
    assert got["duration_sec"] >= 0
    assert manifest["telemetry_files"] == ["events.jsonl"]
    assert manifest["lifecycle_action"] == "delete"
    assert manifest["reason_text"] is None
    assert (manifest["gpu_count"], manifest["cloud_type"], manifest["image_digest"]) == (1, "SECURE", None)
    assert manifest["disks_per_hour_usd"] == pytest.approx(30 * 0.1 / 730, abs=1e-6)
    assert sum(manifest["seconds_per_state"].values()) == pytest.approx(manifest["wall_time_sec"], abs=0.1)
    assert set(manifest["deploy_metadata"]) == {
        "local_git_sha",
        "local_git_dirty",
        "local_git_branch",
        "payload_lockfile",
        "payload_lockfile_sha256",
    }


@pytest.mark.weak_point(32)
@pytest.mark.row(123)
def test_a_run_that_was_refused_leaves_a_manifest(past: CommandLine) -> None:
    manifest = told(past, "summary", ids(past)[2])["manifest"]
    assert (manifest["failed"], manifest["reason"], manifest["pod_id"]) == (True, "price_over_cap", None)
    assert manifest["reason_text"] == "no candidate is within the price cap"
    assert manifest["state_reached"] == "select"


@pytest.mark.row(75, 122)
def test_the_manifest_says_what_went_wrong_and_nothing_else(past: CommandLine) -> None:
    """Every run is told "connection refused" by a sshd that comes up; that explains no job that failed later."""
    manifest = told(past, "summary", ids(past)[1])["manifest"]
    assert manifest["reason_text"] == "the job ended with exit code 3"
    assert (manifest["pod_final_state"], manifest["lifecycle_action"]) == ("EXITED", "stop")
    assert manifest["storage_per_month_usd"] == 2.0
    assert manifest["artifacts"][0]["error"] == "there is nothing at its remote path"


@pytest.mark.slow
@pytest.mark.row(124)
def test_a_summary_of_many_has_totals(past: CommandLine) -> None:
    many = told(past, "summary", "--root", str(past.folder / "artifacts" / "runpod"))
    assert (many["totals"]["runs"], many["totals"]["failed"]) == (3, 2)
    page = past.rpd("summary", "--root", str(past.folder / "older"))
    assert "TOTAL     1 run, 1 failed, 1 m 30 s, $0.50" in page.stdout
    assert past.rpd("summary", ids(past)[0]).returncode == 0
    assert past.rpd("summary", ids(past)[1]).returncode == 1


@pytest.mark.slow
@pytest.mark.row(125)
def test_two_runs_are_compared_field_by_field(past: CommandLine) -> None:
    done = past.rpd("compare", ids(past)[0], ids(past)[1])
    assert done.returncode == 1, "one of the two failed"
    assert "* outcome: succeeded -> failed" in done.stdout
    assert "  image: " in done.stdout
    assert "  image: " not in past.rpd("compare", ids(past)[0], ids(past)[1], "--changed").stdout
    found = told(past, "compare", ids(past)[0], ids(past)[1])
    assert found["changed"] + found["equal"] == len(found["fields"])
    live = past.start_on_terminal("compare", ids(past)[0], ids(past)[1])
    assert live.end() == 1
    assert max(map(len, live.text.splitlines())) <= 80, "long values stand below each other"
    assert "0 fields changed" in past.rpd("compare", ids(past)[0], ids(past)[0]).stdout
    assert past.rpd("compare", ids(past)[0], ids(past)[0]).returncode == 0
    assert past.rpd("compare", ids(past)[0], "nothing").returncode == 2


@pytest.mark.row(133)
def test_the_python_api_reads_what_is_there(past: CommandLine) -> None:
    used.add("api")
    run = rpd.Run(past.journals()[0])
    assert run.outcome == "succeeded"
    assert [event.name for event in run.events()][-1] == "closed"
    assert len(list(rpd.runs(past.folder / "artifacts" / "runpod"))) == 3
    (old,) = rpd.runs(past.folder / "older")
    assert (old.row()["source"], old.outcome, old.cost_usd) == ("manifest", "failed", 0.5)
    assert (old.journal, old.is_released, old.artifacts) == (None, None, ())
    assert [event.name for event in rpd.Run(past.folder / "older" / "20260514T120000Z").events()] == [
        "gpu_selected",
        "pod_killed_unexpected",
    ]
    with pytest.raises(rpd.UserError, match="nothing can act on it"):
        rpd.cancel(old)


@pytest.mark.slow
@pytest.mark.row(136)
def test_the_makefile_of_the_recipe_works(cli: CommandLine) -> None:
    """As people have it: one target runs in the cloud, the other plots from the newest run folder."""
    work = cli.folder / "recipe"
    (work / "configs" / "runpod").mkdir(parents=True)
    job = config(MAKE_RESULT, artifacts=artifact(), local={"project_root": "../.."})
    (work / "configs" / "runpod" / "headline.yaml").write_text(json.dumps(job))
    rpd = " ".join(RPD)
    (work / "Makefile").write_text(
        ".PHONY: headline-cloud headline-plots\n"
        "headline-cloud:\n"
        f"\t{rpd} run configs/runpod/headline.yaml --sandbox\n\n"
        "LATEST_RUN_DIR := $(shell ls -dt artifacts/runpod/*/ | head -1)\n\n"
        "headline-plots:\n"
        "\tcat $(LATEST_RUN_DIR)/out/result.txt > plot.txt\n"
        f"\t{rpd} summary $(LATEST_RUN_DIR)/runpod_deploy_pull_manifest.json\n"
    )
    make = shutil.which("make")
    assert make is not None
    for target in ("headline-cloud", "headline-plots"):
        done = subprocess.run(
            [make, target], cwd=work, env=cli.environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
    assert (work / "plot.txt").read_text() == "42\n"
    assert "artifact  result: success" in done.stdout


@pytest.mark.slow
@pytest.mark.row(126)
def test_inspect_travels_in_time_and_verifies(past: CommandLine) -> None:
    run = ids(past)[0]
    rented = told(past, "events", run, "--where", "event=create_pod_ok")["events"][0]["seq"]
    then = told(past, "inspect", run, "--at", str(rented))
    assert (then["state"], then["outcome"], then["records"]) == ("create", None, rented + 1)
    assert [debt["kind"] for debt in then["debts"]] == ["compute"]
    assert past.rpd("inspect", run, "--at", "9999").returncode == 2
    whole = told(past, "inspect", run, "--verify")
    assert whole["verified"] is True
    assert whole["head"]["seq"] == whole["records"] - 1


@pytest.mark.row(129)
def test_a_failure_is_explained_in_plain_words(past: CommandLine) -> None:
    assert told(past, "inspect", ids(past)[0])["why"] is None
    assert told(past, "inspect", ids(past)[1])["why"].startswith("the job's exit code was 3")
    assert "max_gpu_price_usd" in past.rpd("inspect", ids(past)[2]).stdout


def test_every_reason_has_its_words() -> None:
    assert set(WHY) == set(Reason)


@pytest.mark.slow
@pytest.mark.row(118)
def test_the_estimate_stands_beside_what_was_booked(past: CommandLine) -> None:
    found = told(past, "cost", ids(past)[0])
    (pod,) = found["pods"]
    assert pod["booked_usd"] == pytest.approx(pod["estimated_usd"], rel=0.5, abs=0.01)
    assert pod["difference"] == "they agree"
    assert sum(pod["estimated"].values()) == pytest.approx(pod["estimated_usd"], abs=1e-5)
    assert pod["booked"]["computing_usd"] > pod["booked"]["disks_usd"] > 0
    past.fault("F37", times=0, lag=7200)
    late = told(past, "cost", ids(past)[0])["pods"][0]
    past.clear_faults()
    assert late["booked_usd"] is None, "what a pod cost that has ended is booked late, too"
    assert late["difference"].startswith("nothing is booked yet; the books are filled in late: ask again after ")
    assert told(past, "cost", ids(past)[2])["pods"] == []
    assert "stored: $2.00 a month" in past.rpd("cost", ids(past)[1]).stdout
