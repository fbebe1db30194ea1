"""`rpd cancel`, `rpd release` and `rpd gc`: from the outside, on runs that are alive, dead or over."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.scenarios.harness import GATED, CommandLine, Live, artifact, config, eventually

RESULT_LAST = f"{GATED}mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt\n"

alive_or_dead = pytest.mark.parametrize("dead", [False, True], ids=["alive", "dead"])


def in_the_run(cli: CommandLine, *, dead: bool, body: str = GATED, **sections: object) -> Live:
    """A run whose job runs; with `dead`, its engine was killed."""
    live = cli.begin(config(body, **sections))
    live.until_begun()
    if dead:
        live.kill()
    return live


def in_boot(cli: CommandLine, *, dead: bool) -> Live:
    """A run whose pod boots for a long time."""
    cli.play(boot_seconds=60)
    live = cli.begin(config())
    live.until("boot")
    if dead:
        live.kill()
    return live


@pytest.mark.slow
@pytest.mark.row(84)
@alive_or_dead
def test_cancel_ends_a_running_job(cli: CommandLine, dead: bool) -> None:
    live = in_the_run(cli, dead=dead)
    done = cli.rpd("cancel")
    assert done.returncode == 0, done.stderr
    if not dead:
        assert live.end() == 130, live.text
    cli.judge("EXITED", starts=1)
    assert cli.inspect()["outcome"] == "cancelled"
    assert cli.result("run.log") == "begun\n"


@pytest.mark.row(84)
@pytest.mark.slow
@alive_or_dead
def test_cancel_before_the_launch_leaves_nothing(cli: CommandLine, dead: bool) -> None:
    live = in_boot(cli, dead=dead)
    done = cli.rpd("cancel", cli.run_id, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "cancelled"
    if not dead:
        assert live.end() == 130, live.text
    cli.judge("TERMINATED", starts=0)


@pytest.mark.row(99)
@pytest.mark.slow
@alive_or_dead
@pytest.mark.parametrize(
    ("options", "status"),
    [((), "EXITED"), (("--delete", "--yes"), "TERMINATED")],
    ids=["stop", "delete"],
)
def test_release_of_a_running_job(cli: CommandLine, dead: bool, options: tuple[str, ...], status: str) -> None:
    live = in_the_run(cli, dead=dead)
    unasked = cli.rpd("release", "--delete")
    assert (unasked.returncode, "not collected" in unasked.stderr) == (2, True), unasked.stderr
    assert cli.live_pod()["status"] == "RUNNING"
    done = cli.rpd("release", *options)
    assert done.returncode == 0, done.stderr
    if not dead:
        assert live.end() == 130, live.text
    cli.judge(status, starts=1)


@pytest.mark.slow
def test_cancel_of_a_finished_run_is_calm(cli: CommandLine) -> None:
    assert cli.run(config()).returncode == 0
    done = cli.rpd("cancel", cli.run_id)
    assert done.returncode == 0, done.stderr
    assert "over" in done.stderr


@pytest.mark.slow
@pytest.mark.row(99)
def test_release_delete_ends_the_storage_of_a_failed_run(cli: CommandLine) -> None:
    assert cli.run(config("exit 3", artifacts=artifact())).returncode == 5
    asked = cli.rpd("release")
    assert asked.returncode == 2
    assert f"rpd release {cli.run_id} --delete" in asked.stderr
    cli.judge("EXITED", starts=1)
    done = cli.rpd("release", "--delete")
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)
    seen = cli.inspect()
    assert (seen["debts"], seen["outcome"], seen["verified"]) == ([], "failed", True)
    again = cli.rpd("release", "--delete")
    assert again.returncode == 0, again.stderr


def gc(cli: CommandLine, *options: str) -> subprocess.CompletedProcess[str]:
    """`rpd gc`."""
    return cli.rpd("gc", *options)


@pytest.mark.slow
def test_gc_with_nothing_to_do(cli: CommandLine) -> None:
    done = gc(cli)
    assert done.returncode == 0
    assert "nothing computes" in done.stdout


@pytest.mark.weak_point(2, 3, 12)
@pytest.mark.row(102, 110)
def test_gc_releases_what_died_before_the_launch(cli: CommandLine) -> None:
    in_boot(cli, dead=True)
    plan = gc(cli)
    assert plan.returncode == 8, plan.stdout
    assert "rpd gc --yes" in plan.stdout
    assert cli.live_pod()["id"] in plan.stdout
    done = gc(cli, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    cli.judge("TERMINATED", starts=0)
    assert gc(cli).returncode == 0


@pytest.mark.row(102, 110)
def test_gc_spares_a_job_that_runs(cli: CommandLine) -> None:
    in_the_run(cli, dead=True)
    done = gc(cli, "--yes")
    assert done.returncode == 8, done.stdout + done.stderr
    assert "the job still runs" in done.stdout
    assert "its switch releases it at" in done.stdout
    assert cli.live_pod()["status"] == "RUNNING"
    cli.go()
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.row(86, 95)
def test_gc_stops_a_pod_with_results_and_resume_fetches_them(cli: CommandLine) -> None:
    in_the_run(cli, dead=True, body=RESULT_LAST, artifacts=artifact())
    cli.go()
    done = eventually(lambda: (told := gc(cli, "--yes")).returncode != 8 and told)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"rpd resume {cli.run_id}" in done.stdout
    cli.judge("EXITED", starts=1)
    resumed = cli.rpd("resume")
    assert resumed.returncode == 0, resumed.stderr
    assert cli.result() == "42\n"
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_gc_leaves_a_live_engine_alone(cli: CommandLine) -> None:
    live = in_the_run(cli, dead=False)
    done = gc(cli, "--yes")
    assert done.returncode == 0, done.stdout
    assert f"pid {live.process.pid}" in done.stdout
    cli.go()
    assert live.end() == 0, live.text
    cli.judge("TERMINATED", starts=1)


def asked_while_frozen(cli: CommandLine, *words: str) -> tuple[Live, Live]:
    """An engine that cannot answer, and a command that has asked it and waits."""
    live = in_the_run(cli, dead=False)
    live.signal(signal.SIGSTOP)
    asker = cli.start(*words)
    asker.until_text("asked the engine")
    return live, asker


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "then", "code", "status"),
    [
        (("cancel",), ("resume",), 0, "TERMINATED"),
        (("release", "--delete", "--yes"), ("gc", "--yes"), 8, "RUNNING"),
    ],
    ids=["cancel-resume", "release-gc"],
)
def test_a_request_ends_with_the_engine_it_was_meant_for(
    cli: CommandLine, words: tuple[str, ...], then: tuple[str, ...], code: int, status: str
) -> None:
    live, asker = asked_while_frozen(cli, *words)
    asker.kill()
    live.kill()
    if code == 0:
        cli.go()
    done = cli.rpd(*then)
    assert done.returncode == code, done.stdout + done.stderr
    cli.judge(status, starts=1)


@pytest.mark.slow
def test_who_asked_an_engine_that_died_obeying_goes_on(cli: CommandLine) -> None:
    live = in_the_run(cli, dead=False)
    cli.fault("F29", times=0, how="ignored", on="stop")
    asker = cli.start("cancel")
    live.until("release")
    live.kill()
    cli.clear_faults()
    assert asker.end() == 0, asker.text
    cli.judge("EXITED", starts=1)
    assert cli.inspect()["outcome"] == "cancelled"
