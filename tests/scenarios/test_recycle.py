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


def paused(cli: CommandLine, **sections: Any) -> str:
    """A first run that leaves its pod paused; its run id."""
    done = cli.run(recycled(**sections))
    assert done.returncode == 0, done.stderr
    assert cli.statuses() == ["EXITED"]
    return cli.run_id


def manifest(cli: CommandLine) -> dict[str, Any]:
    return dict(json.loads((cli.run_folder() / MANIFEST_NAME).read_text()))


@pytest.mark.slow
@pytest.mark.row(61, 96, 132)
def test_the_next_run_takes_the_paused_pod_up(cli: CommandLine) -> None:
    first = paused(cli, state_file="pointer.json")
    done = cli.run()
    assert done.returncode == 0, done.stderr
    second = cli.run_id
    assert second != first
    cli.judge("EXITED", starts=2)
    assert "taking up paused pod" in done.stderr
    assert manifest(cli)["pod_resumed"] is True
    assert cli.inspect(first)["debts"] == []
    assert [debt["kind"] for debt in cli.inspect(second)["debts"]] == ["storage"]
    pointer = json.loads((cli.folder / "pointer.json").read_text())
    assert pointer["journal"] == str(cli.journal)
    assert pointer["pod_id"] == cli.truth()["pods"][0]["id"]
    assert set(pointer) == {"journal", "pod_id", "gpu_id", "image", "datacenter_id"}
    assert f"is run {second}'s from here on" in cli.rpd("inspect", first).stdout
    assert cli.rpd("release", first, "--delete", "--yes").returncode == 0
    cli.judge("EXITED", starts=2)
    assert cli.rpd("release", second, "--delete", "--yes").returncode == 0
    cli.judge("TERMINATED", starts=2)


@pytest.mark.slow
@pytest.mark.row(61, 100)
def test_the_old_journal_cannot_touch_a_pod_that_was_handed_over(cli: CommandLine) -> None:
    first = paused(cli)
    old = cli.journal
    live = cli.begin(recycled(GATED))
    eventually(lambda: cli.state() == "monitor", tell=lambda: live.text)
    assert cli.rpd("gc", "--yes").returncode == 0
    assert cli.rpd("release", first, "--delete", "--yes").returncode == 0
    with old.open("ab") as file:  # damage: what it says of its pods is believed no more
        file.write(b'{"rubbish":1}\n')
    gc = cli.rpd("gc", "--yes")
    assert cli.statuses() == ["RUNNING"], gc.stdout
    cli.go()
    assert live.end() == 0, live.text
    cli.judge("EXITED", starts=2)


@pytest.mark.row(62)
@pytest.mark.slow
def test_a_drifted_pod_is_replaced_and_the_difference_is_shown(cli: CommandLine) -> None:
    paused(cli)
    done = cli.run(recycled(pod={"image": "runpod/pytorch:2.9.0", "container_disk_gb": 30}))
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", "EXITED", starts=2)
    assert "pod.image: runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04 -> runpod/pytorch:2.9.0" in done.stderr
    assert "pod.container_disk_gb: 20 -> 30" in done.stderr


@pytest.mark.slow
@pytest.mark.row(62)
def test_a_drifted_pod_may_be_kept_in_use(cli: CommandLine) -> None:
    paused(cli)
    done = cli.run(recycled(pod={"env": {"MODE": "x"}}, lifecycle={"on_drift": "keep"}))
    assert done.returncode == 0, done.stderr
    cli.judge("EXITED", starts=2)
    assert "pod.env: none -> MODE" in done.stderr
    third = cli.run(recycled(lifecycle={"on_drift": "replace"}))  # it still is what it was ordered as
    assert third.returncode == 0, third.stderr
    cli.judge("EXITED", starts=3)


@pytest.mark.slow
@pytest.mark.row(62, 105)
def test_asking_about_drift_needs_a_terminal(cli: CommandLine) -> None:
    paused(cli)
    drifted = recycled(pod={"container_disk_gb": 30}, lifecycle={"on_drift": "ask"})
    done = cli.run(drifted)
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    cli.judge("EXITED", starts=1)
    for answer, code, statuses in (("no\n", 3, ["EXITED"]), ("replace\n", 0, ["TERMINATED", "EXITED"])):
        live = cli.start_on_terminal("run", "job.yaml", "--sandbox")
        eventually(lambda live=live: "[replace/keep/cancel]" in live.text, tell=lambda live=live: live.text)
        assert "pod.container_disk_gb: 20 -> 30" in live.text
        live.type(answer)
        assert live.end() == code, live.text
        assert cli.statuses() == statuses


@pytest.mark.slow
@pytest.mark.row(63)
def test_fresh_skips_the_paused_pod_and_releases_it(cli: CommandLine) -> None:
    paused(cli)
    done = cli.run(None, "--fresh")
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", "EXITED", starts=2)


@pytest.mark.slow
@pytest.mark.row(63)
def test_removing_the_state_file_means_fresh(cli: CommandLine) -> None:
    paused(cli, state_file="pointer.json")
    (cli.folder / "pointer.json").unlink()
    done = cli.run()
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", "EXITED", starts=2)
    assert (cli.folder / "pointer.json").exists()


@pytest.mark.weak_point(9)
@pytest.mark.slow
@pytest.mark.row(61)
def test_a_refused_start_leaves_the_pod_paused_until_there_is_a_better_one(cli: CommandLine) -> None:
    paused(cli)
    cli.fault("F21", times=0)
    failed = cli.run(recycled("exit 3"))
    assert failed.returncode == 5, failed.stderr
    assert cli.statuses() == ["EXITED", "EXITED"]
    cli.clear_faults()
    cli.fault("F21", times=1)
    done = cli.run(recycled())
    assert done.returncode == 0, done.stderr
    # The one that could not be started is replaced by the good one of this run; that of the failure waits for a person.
    cli.judge("TERMINATED", "EXITED", "EXITED", starts=3)


@pytest.mark.slow
@pytest.mark.row(61)
def test_a_pod_that_starts_without_gpus_goes_back_to_sleep(cli: CommandLine) -> None:
    paused(cli)
    cli.fault("F22", how="smi")
    done = cli.run()
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", "EXITED", starts=2)


@pytest.mark.slow
@pytest.mark.row(61)
def test_a_paused_pod_that_somebody_deleted_is_no_loss(cli: CommandLine) -> None:
    first = paused(cli)
    pod = cli.truth()["pods"][0]["id"]
    cli.call("DELETE", f"/pods/{pod}")
    done = cli.run()
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", "EXITED", starts=2)
    assert cli.inspect(first)["debts"] == []
    assert [debt["kind"] for debt in cli.inspect()["debts"]] == ["storage"]


@pytest.mark.weak_point(9)
@pytest.mark.slow
@pytest.mark.row(61)
def test_a_paused_pod_that_somebody_started_is_used_as_it_is(cli: CommandLine) -> None:
    paused(cli)
    pod = cli.truth()["pods"][0]["id"]
    cli.call("POST", f"/pods/{pod}/action", {"action": "start"})
    done = cli.run()
    assert done.returncode == 0, done.stderr
    cli.judge("EXITED", starts=2)


@pytest.mark.weak_point(9)
@pytest.mark.slow
@pytest.mark.row(61, 107)
def test_of_two_runs_one_gets_the_paused_pod(cli: CommandLine) -> None:
    paused(cli)
    cli.job(recycled(GATED))
    both = [cli.start("run", "job.yaml", "--sandbox", "--new") for _ in range(2)]
    eventually(lambda: cli.statuses() == ["RUNNING", "RUNNING"], tell=lambda: both[0].text + both[1].text)
    eventually(lambda: cli.starts() == 3, tell=lambda: both[0].text + both[1].text)
    for pod in cli.truth()["pods"]:
        (cli.sandbox_home / "pods" / pod["id"] / "volume" / "go").touch()
    assert [live.end() for live in both] == [0, 0], both[0].text + both[1].text
    cli.judge("EXITED", "EXITED", starts=3)
    owners = [cli.inspect(path.stem)["debts"] for path in cli.journals()]
    assert sorted(len(debts) for debts in owners) == [0, 1, 1]


@pytest.mark.weak_point(9)
@pytest.mark.slow
@pytest.mark.row(61)
def test_a_stock_out_does_not_keep_a_paused_pod_from_being_used(cli: CommandLine) -> None:
    paused(cli)
    cli.fault("F1", times=0)
    done = cli.run()
    assert done.returncode == 0, done.stderr
    cli.judge("EXITED", starts=2)


@pytest.mark.weak_point(1)
@pytest.mark.slow
@pytest.mark.row(61, 97)
def test_a_failed_run_is_never_recycled(cli: CommandLine) -> None:
    failed = cli.run(recycled("exit 3"))
    assert failed.returncode == 5, failed.stderr
    done = cli.run(recycled())
    assert done.returncode == 0, done.stderr
    cli.judge("EXITED", "EXITED", starts=2)
    assert "taking up" not in done.stderr


@pytest.mark.slow
@pytest.mark.row(61, 97)
def test_an_interrupt_before_anything_was_done_puts_the_pod_back(cli: CommandLine) -> None:
    paused(cli)
    cli.play(boot_seconds=30)
    live = cli.begin(recycled())
    eventually(lambda: cli.state() in ("boot", "connect"), tell=lambda: live.text)
    live.press()
    assert live.end() == 130, live.text
    assert cli.statuses() == ["EXITED"]
    cli.play(boot_seconds=0.3)
    done = cli.run()
    assert done.returncode == 0, done.stderr
    cli.judge("EXITED", starts=2)


@pytest.mark.slow
@pytest.mark.row(124)
def test_what_comes_after_the_end_does_not_count_as_the_runs_time(cli: CommandLine) -> None:
    first = paused(cli)
    before = json.loads(cli.rpd("runs", "--json").stdout)["runs"][0]["wall_seconds"]
    assert cli.run().returncode == 0
    rows = {row["run_id"]: row for row in json.loads(cli.rpd("runs", "--json").stdout)["runs"]}
    assert rows[first]["wall_seconds"] == before
