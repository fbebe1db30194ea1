"""Ctrl-C, TERM, a lost terminal and no terminal at all."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.scenarios.harness import GATED, CommandLine, Live, artifact, config, eventually
from tests.scenarios.live import RPD

RESULT_FIRST = f"mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt\n{GATED}"

on_and_off = pytest.mark.parametrize(
    "terminal", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["terminal", "no-terminal"]
)


def begin(cli: CommandLine, terminal: bool, document: dict[str, object], *more: str) -> Live:
    """`rpd run` of this job, left running."""
    cli.job(document)
    start = cli.start_on_terminal if terminal else cli.start
    return start("run", "job.yaml", "--sandbox", *more)


def press_again(live: Live, pressed_at: float) -> None:
    """A second key press, late enough not to be taken for an echo of the first."""
    eventually(lambda: time.monotonic() - pressed_at > 0.4)
    live.press()


@pytest.mark.weak_point(3)
@pytest.mark.row(58, 111)
@on_and_off
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
    ids=["INT", "TERM"],
)
def test_in_boot_the_pod_is_given_back(cli: CommandLine, terminal: bool, number: signal.Signals, code: int) -> None:
    cli.play(boot_seconds=60)
    live = begin(cli, terminal, config())
    live.until("boot")
    if number == signal.SIGINT:
        live.press()
    else:
        live.signal(number)
    assert live.end() == code, live.text
    cli.judge("TERMINATED", starts=0)
    seen = cli.inspect()
    assert (seen["outcome"], seen["debts"]) == ("cancelled", [])


@pytest.mark.row(85, 87)
def test_on_a_terminal_ctrl_c_leaves_the_job_to_its_switch(cli: CommandLine) -> None:
    live = begin(cli, True, config(RESULT_FIRST, artifacts=artifact()))
    live.until("monitor")
    live.press()
    assert live.end() == 75, live.text
    assert f"rpd resume {cli.run_id}" in live.text
    assert "the switch in the pod" in live.text
    assert "worst case $" in live.text
    assert cli.live_pod()["status"] == "RUNNING"
    cli.go()
    assert "next     follow the job" in cli.rpd("inspect").stdout
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"resuming {cli.run_id} in state monitor\n")
    cli.judge("TERMINATED", starts=1)
    assert cli.result() == "42\n"


@pytest.mark.weak_point(1)
@pytest.mark.row(84, 91, 97)
def test_off_a_terminal_ctrl_c_stops_the_job_and_brings_back_what_there_is(cli: CommandLine) -> None:
    live = begin(cli, False, config(RESULT_FIRST, artifacts=artifact()))
    live.until_begun()
    live.press()
    assert live.end() == 130, live.text
    cli.judge("EXITED", starts=1)
    assert cli.result() == "42\n"
    assert cli.result("run.log") == "begun\n"
    assert f"rpd release {cli.run_id} --delete" in live.text


@pytest.mark.parametrize("is_whole", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_disk_stays_only_for_what_nobody_has_collected(cli: CommandLine, is_whole: bool) -> None:
    """The file says delete twice; what could not be fetched wins over that, and the ending says so."""
    body = RESULT_FIRST if is_whole else f"mkfifo /workspace/pipe\nmkdir -p /workspace/out\n{GATED}"
    document = config(body, artifacts=artifact(), lifecycle={"on_success": "delete", "on_failure": "delete"})
    live = begin(cli, False, document)
    live.until_begun()
    if not is_whole:
        cli.fault("F40", times=0)
    live.signal(signal.SIGTERM)
    assert live.end(90.0) == (143 if is_whole else 75), live.text
    cli.judge("TERMINATED" if is_whole else "EXITED", starts=1)
    if is_whole:
        assert cli.result() == "42\n"
    else:
        assert "kept: results that nobody has collected are on it" in live.text


@pytest.mark.slow
@pytest.mark.weak_point(2)
@pytest.mark.row(111)
@on_and_off
def test_term_stops_a_running_job_and_brings_back_what_there_is(cli: CommandLine, terminal: bool) -> None:
    live = begin(cli, terminal, config(RESULT_FIRST, artifacts=artifact()))
    live.until_begun()
    live.signal(signal.SIGTERM)
    assert live.end() == 143, live.text
    cli.judge("EXITED", starts=1)
    assert cli.result() == "42\n"


@pytest.mark.slow
@on_and_off
def test_a_second_ctrl_c_leaves_at_once_and_names_the_debt(cli: CommandLine, terminal: bool) -> None:
    cli.play(boot_seconds=60)
    cli.fault("F29", times=0, how="ignored")
    live = begin(cli, terminal, config())
    live.until("boot")
    pressed_at = time.monotonic()
    live.press()
    live.until("release")
    press_again(live, pressed_at)
    assert live.end(5.0) == 8, live.text
    assert "BILLING" in live.text
    assert cli.live_pod()["id"] in live.text
    assert [debt["kind"] for debt in cli.inspect()["debts"]] == ["compute"]
    cli.clear_faults()
    done = cli.rpd("gc", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    cli.judge("TERMINATED", starts=0)


@pytest.mark.slow
@pytest.mark.row(111)
def test_a_lost_terminal_does_not_end_the_run(cli: CommandLine) -> None:
    cli.job(config(RESULT_FIRST, artifacts=artifact()))
    live = cli.start_on_terminal("run", "job.yaml", "--sandbox")
    live.until("monitor")
    live.hang_up()
    cli.go()
    assert live.end() == 0, live.text
    cli.judge("TERMINATED", starts=1)


@pytest.mark.weak_point(2)
@pytest.mark.slow
def test_hangup_off_a_terminal_does_not_end_the_run(cli: CommandLine) -> None:
    live = begin(cli, False, config(GATED))
    live.until("monitor")
    live.signal(signal.SIGHUP)
    cli.go()
    assert live.end() == 0, live.text
    cli.judge("TERMINATED", starts=1)


@pytest.mark.row(97)
@pytest.mark.parametrize(
    ("wish", "terminal", "code", "status"),
    [
        pytest.param("delete", False, 130, "TERMINATED", marks=pytest.mark.slow),
        pytest.param("stop", True, 130, "EXITED", marks=pytest.mark.slow),
        pytest.param("detach", False, 75, "RUNNING", marks=pytest.mark.slow),
    ],
)
def test_the_job_file_may_say_what_ctrl_c_means(
    cli: CommandLine, wish: str, terminal: bool, code: int, status: str
) -> None:
    live = begin(cli, terminal, config(RESULT_FIRST, artifacts=artifact(), lifecycle={"on_interrupt": wish}))
    live.until_begun()
    live.press()
    assert live.end() == code, live.text
    cli.judge(status, starts=1)
    if wish != "detach":
        assert cli.result() == "42\n"


@pytest.mark.slow
@pytest.mark.row(81, 85)
def test_run_detached_follow_and_resume(cli: CommandLine) -> None:
    done = cli.run(config(f"{GATED}echo ended"), "--detach")
    assert done.returncode == 75, done.stderr
    assert f"rpd resume {cli.run_id}" in done.stderr
    follower = cli.start("logs", "-f")
    eventually(lambda: "begun" in follower.out, tell=lambda: follower.text)
    cli.go()
    assert follower.end() == 0, follower.text
    assert follower.out == "begun\nended\n"
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)


def gated(*words: str) -> str:
    """A job that says each word once the test has made the file of that name in the pod's volume."""
    return "".join(f"until [ -e /workspace/{word} ]; do sleep 0.05; done; echo {word}\n" for word in words)


def let(cli: CommandLine, word: str) -> None:
    """Let the gated job say its next word."""
    (cli.sandbox_home / "pods" / cli.live_pod()["id"] / "volume" / word).touch()


@pytest.mark.slow
def test_who_follows_a_detached_run_goes_on_while_it_is_resumed_and_left_again(cli: CommandLine) -> None:
    document = config(gated("one", "two", "three", "four"), lifecycle={"on_interrupt": "detach"})
    assert cli.run(document, "--detach").returncode == 75
    follower = cli.start("logs", "-f")
    let(cli, "one")
    eventually(lambda: follower.out == "one\n", tell=lambda: follower.text)
    resumed = cli.start("resume")
    resumed.until_text("resuming")
    let(cli, "two")
    resumed.until_text("| two")
    eventually(lambda: follower.out == "one\ntwo\n", tell=lambda: follower.text)
    resumed.press()
    assert resumed.end() == 75, resumed.text
    let(cli, "three")
    eventually(lambda: follower.out == "one\ntwo\nthree\n", tell=lambda: follower.text)
    resumed = cli.start("resume")
    resumed.until_text("resuming")
    let(cli, "four")
    assert resumed.end() == 0, resumed.text
    assert (follower.end(), follower.text) == (0, ""), follower.out
    assert follower.out == "one\ntwo\nthree\nfour\n"
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_who_follows_a_run_that_is_driven_from_elsewhere_is_told(cli: CommandLine) -> None:
    assert cli.run(config(GATED), "--detach").returncode == 75
    volume = cli.sandbox_home / "pods" / cli.live_pod()["id"] / "volume"
    (volume / ".rpd" / cli.run_id / "epoch-9").mkdir()
    follower = cli.start("logs", "-f")
    assert follower.end() == 1, follower.out
    assert "a newer owner, epoch 9, acts for this run" in follower.text


def without_streams(cli: CommandLine, *words: str) -> int:
    """The exit code of a command without standard streams, as some daemons start one."""
    script = f"exec {shlex.join([*RPD, *words])} <&- >&- 2>&-"
    done = subprocess.run(["bash", "-c", script], cwd=cli.folder, env=cli.environment, timeout=60, check=False)
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("words", ["resume", "release", "cancel", "gc --yes"])
def test_a_command_without_streams_gives_the_pod_back(cli: CommandLine, words: str) -> None:
    cli.play(boot_seconds=4)
    live = cli.begin(config())
    live.until("boot")
    live.kill()
    assert without_streams(cli, *words.split()) == 0, cli.state()
    cli.nothing_computes()
    assert cli.inspect()["verified"]


@pytest.mark.slow
def test_a_run_without_streams_runs(cli: CommandLine) -> None:
    cli.job(config())
    assert without_streams(cli, "run", "job.yaml", "--sandbox") == 0, cli.state()
    cli.judge("TERMINATED", starts=1)
    assert cli.inspect()["verified"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_under_stderr_does_not_make_a_success_a_failure(cli: CommandLine) -> None:
    cli.job(config("echo hi"))
    command = [*RPD, "run", "job.yaml", "--sandbox"]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            command, cwd=cli.folder, env=cli.environment, stderr=full, stdin=subprocess.DEVNULL, check=False
        )
    assert (done.returncode, cli.inspect()["outcome"]) == (0, "succeeded")
