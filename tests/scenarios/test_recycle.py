"""A good pod is paused, and the next run of the same file takes it up: ownership, drift, and every way it can go wrong,
judged by the sandbox's ledger."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rpd.adapters.run_folder.workspace import MANIFEST_NAME
from tests.scenarios.harness import GATED, CommandLine, config
from tests.scenarios.live import eventually

RECYCLE = {"on_success": "recycle", "on_failure": "stop"}


def recycled(body: str = "echo hello", **sections: Any) -> dict[str, Any]:
    """A job that keeps its pod for the next run."""
    lifecycle = {**RECYCLE, **sections.pop("lifecycle", {})}
    return config(body, lifecycle=lifecycle, **sections)


def paused(stage: CommandLine, **sections: Any) -> str:
    """A first run that leaves its pod paused; its run id."""
    done = stage.run(recycled(**sections))
    assert done.returncode == 0, done.stderr
    assert stage.statuses() == ["EXITED"]
    return stage.run_id


def manifest(stage: CommandLine) -> dict[str, Any]:
    return dict(json.loads((stage.run_folder() / MANIFEST_NAME).read_text()))


@pytest.mark.row(61, 96, 132)
def test_the_next_run_takes_the_paused_pod_up(stage: CommandLine) -> None:
    first = paused(stage, state_file="pointer.json")
    done = stage.run()
    assert done.returncode == 0, done.stderr
    second = stage.run_id
    assert second != first
    stage.judge("EXITED", starts=2)
    assert "taking up paused pod" in done.stderr
    assert manifest(stage)["pod_resumed"] is True
    assert stage.inspect(first)["debts"] == []
    assert [debt["kind"] for debt in stage.inspect(second)["debts"]] == ["storage"]
    pointer = json.loads((stage.folder / "pointer.json").read_text())
    assert pointer["journal"] == str(stage.journal)
    assert pointer["pod_id"] == stage.truth()["pods"][0]["id"]
    assert set(pointer) == {"journal", "pod_id", "gpu_id", "image", "datacenter_id"}
    assert f"is run {second}'s from here on" in stage.rpd("inspect", first).stdout
    assert stage.rpd("release", first, "--delete", "--yes").returncode == 0
    stage.judge("EXITED", starts=2)
    assert stage.rpd("release", second, "--delete", "--yes").returncode == 0
    stage.judge("TERMINATED", starts=2)


@pytest.mark.slow
@pytest.mark.row(61, 100)
def test_the_old_journal_cannot_touch_a_pod_that_was_handed_over(stage: CommandLine) -> None:
    first = paused(stage)
    old = stage.journal
    live = stage.begin(recycled(GATED))
    eventually(lambda: stage.state() == "monitor", tell=lambda: live.text)
    assert stage.rpd("gc", "--yes").returncode == 0
    assert stage.rpd("release", first, "--delete", "--yes").returncode == 0
    with old.open("ab") as file:  # damage: what it says of its pods is believed no more
        file.write(b'{"rubbish":1}\n')
    gc = stage.rpd("gc", "--yes")
    assert stage.statuses() == ["RUNNING"], gc.stdout
    stage.go()
    assert live.end() == 0, live.text
    stage.judge("EXITED", starts=2)


@pytest.mark.row(62)
@pytest.mark.slow
def test_a_drifted_pod_is_replaced_and_the_difference_is_shown(stage: CommandLine) -> None:
    paused(stage)
    done = stage.run(recycled(pod={"image": "runpod/pytorch:2.9.0", "container_disk_gb": 30}))
    assert done.returncode == 0, done.stderr
    stage.judge("TERMINATED", "EXITED", starts=2)
    assert "pod.image: runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04 -> runpod/pytorch:2.9.0" in done.stderr
    assert "pod.container_disk_gb: 20 -> 30" in done.stderr


@pytest.mark.slow
@pytest.mark.row(62)
def test_a_drifted_pod_may_be_kept_in_use(stage: CommandLine) -> None:
    paused(stage)
    done = stage.run(recycled(pod={"env": {"MODE": "x"}}, lifecycle={"on_drift": "keep"}))
    assert done.returncode == 0, done.stderr
    stage.judge("EXITED", starts=2)
    assert "pod.env: none -> MODE" in done.stderr
    third = stage.run(recycled(lifecycle={"on_drift": "replace"}))  # it still is what it was ordered as
    assert third.returncode == 0, third.stderr
    stage.judge("EXITED", starts=3)


@pytest.mark.slow
@pytest.mark.row(62, 105)
def test_asking_about_drift_needs_a_terminal(stage: CommandLine) -> None:
    paused(stage)
    drifted = recycled(pod={"container_disk_gb": 30}, lifecycle={"on_drift": "ask"})
    done = stage.run(drifted)
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    stage.judge("EXITED", starts=1)
    for answer, code, statuses in (("no\n", 3, ["EXITED"]), ("replace\n", 0, ["TERMINATED", "EXITED"])):
        live = stage.start_on_terminal("run", "job.yaml", "--sandbox")
        eventually(lambda live=live: "[replace/keep/cancel]" in live.text, tell=lambda live=live: live.text)
        assert "pod.container_disk_gb: 20 -> 30" in live.text
        live.type(answer)
        assert live.end() == code, live.text
        assert stage.statuses() == statuses


@pytest.mark.slow
@pytest.mark.row(63)
def test_fresh_skips_the_paused_pod_and_releases_it(stage: CommandLine) -> None:
    paused(stage)
    done = stage.run(None, "--fresh")
    assert done.returncode == 0, done.stderr
    stage.judge("TERMINATED", "EXITED", starts=2)


@pytest.mark.slow
@pytest.mark.row(63)
def test_removing_the_state_file_means_fresh(stage: CommandLine) -> None:
    paused(stage, state_file="pointer.json")
    (stage.folder / "pointer.json").unlink()
    done = stage.run()
    assert done.returncode == 0, done.stderr
    stage.judge("TERMINATED", "EXITED", starts=2)
    assert (stage.folder / "pointer.json").exists()


@pytest.mark.weak_point(9)
@pytest.mark.slow
@pytest.mark.row(61)
def test_a_refused_start_leaves_the_pod_paused_until_there_is_a_better_one(stage: CommandLine) -> None:
    paused(stage)
    stage.fault("F21", times=0)
    failed = stage.run(recycled("exit 3"))
    assert failed.returncode == 5, failed.stderr
    assert stage.statuses() == ["EXITED", "EXITED"]
    stage.clear_faults()
    stage.fault("F21", times=1)
    done = stage.run(recycled())
    assert done.returncode == 0, done.stderr
    # The one that could not be started is replaced by the good one of this run; that of the failure waits for a person.
    stage.judge("TERMINATED", "EXITED", "EXITED", starts=3)


@pytest.mark.slow
@pytest.mark.row(61)
def test_a_pod_that_starts_without_gpus_goes_back_to_sleep(stage: CommandLine) -> None:
    paused(stage)
    stage.fault("F22", how="smi")
    done = stage.run()
    assert done.returncode == 0, done.stderr
    stage.judge("TERMINATED", "EXITED", starts=2)


@pytest.mark.slow
@pytest.mark.row(61)
def test_a_paused_pod_that_somebody_deleted_is_no_loss(stage: CommandLine) -> None:
    first = paused(stage)
    pod = stage.truth()["pods"][0]["id"]
    stage.call("DELETE", f"/pods/{pod}")
    done = stage.run()
    assert done.returncode == 0, done.stderr
    stage.judge("TERMINATED", "EXITED", starts=2)
    assert stage.inspect(first)["debts"] == []
    assert [debt["kind"] for debt in stage.inspect()["debts"]] == ["storage"]


@pytest.mark.weak_point(9)
@pytest.mark.slow
@pytest.mark.row(61)
def test_a_paused_pod_that_somebody_started_is_used_as_it_is(stage: CommandLine) -> None:
    paused(stage)
    pod = stage.truth()["pods"][0]["id"]
    stage.call("POST", f"/pods/{pod}/action", {"action": "start"})
    done = stage.run()
    assert done.returncode == 0, done.stderr
    stage.judge("EXITED", starts=2)


@pytest.mark.weak_point(9)
@pytest.mark.slow
@pytest.mark.row(61, 107)
def test_of_two_runs_one_gets_the_paused_pod(stage: CommandLine) -> None:
    paused(stage)
    stage.job(recycled(GATED))
    both = [stage.start("run", "job.yaml", "--sandbox", "--new") for _ in range(2)]
    eventually(lambda: stage.statuses() == ["RUNNING", "RUNNING"], tell=lambda: both[0].text + both[1].text)
    eventually(lambda: stage.starts() == 3, tell=lambda: both[0].text + both[1].text)
    for pod in stage.truth()["pods"]:
        (stage.sandbox_home / "pods" / pod["id"] / "volume" / "go").touch()
    assert [live.end() for live in both] == [0, 0], both[0].text + both[1].text
    stage.judge("EXITED", "EXITED", starts=3)
    owners = [stage.inspect(path.stem)["debts"] for path in stage.journals()]
    assert sorted(len(debts) for debts in owners) == [0, 1, 1]


@pytest.mark.weak_point(9)
@pytest.mark.slow
@pytest.mark.row(61)
def test_a_stock_out_does_not_keep_a_paused_pod_from_being_used(stage: CommandLine) -> None:
    paused(stage)
    stage.fault("F1", times=0)
    done = stage.run()
    assert done.returncode == 0, done.stderr
    stage.judge("EXITED", starts=2)


@pytest.mark.weak_point(1)
@pytest.mark.slow
@pytest.mark.row(61, 97)
def test_a_failed_run_is_never_recycled(stage: CommandLine) -> None:
    failed = stage.run(recycled("exit 3"))
    assert failed.returncode == 5, failed.stderr
    done = stage.run(recycled())
    assert done.returncode == 0, done.stderr
    stage.judge("EXITED", "EXITED", starts=2)
    assert "taking up" not in done.stderr


@pytest.mark.slow
@pytest.mark.row(61, 97)
def test_an_interrupt_before_anything_was_done_puts_the_pod_back(stage: CommandLine) -> None:
    paused(stage)
    stage.play(boot_seconds=30)
    live = stage.begin(recycled())
    eventually(lambda: stage.state() in ("boot", "connect"), tell=lambda: live.text)
    live.press()
    assert live.end() == 130, live.text
    assert stage.statuses() == ["EXITED"]
    stage.play(boot_seconds=0.3)
    done = stage.run()
    assert done.returncode == 0, done.stderr
    stage.judge("EXITED", starts=2)


@pytest.mark.slow
@pytest.mark.row(124)
def test_what_comes_after_the_end_does_not_count_as_the_runs_time(stage: CommandLine) -> None:
    first = paused(stage)
    before = json.loads(stage.rpd("runs", "--json").stdout)["runs"][0]["wall_seconds"]
    assert stage.run().returncode == 0
    rows = {row["run_id"]: row for row in json.loads(stage.rpd("runs", "--json").stdout)["runs"]}
    assert rows[first]["wall_seconds"] == before
