"""`rpd logs` of a run whose pod lives and which nobody drives, and of launches that were lost."""

from __future__ import annotations

import pytest

from tests.scenarios.harness import GATED, CommandLine, config

MANY = "seq 1 30000\n"
"""Some 170 kB: more than is fetched at first."""


@pytest.mark.slow
def test_the_last_lines_of_a_detached_run_come_from_its_pod(cli: CommandLine) -> None:
    assert cli.run(config(f"{MANY}{GATED}"), "--detach").returncode == 75
    whole = cli.rpd("logs", "job").stdout
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 30001 and lines[-1] == "begun\n"
    for tail in (1, 3, 20000, 40000):
        assert cli.rpd("logs", "job", "--tail", str(tail)).stdout == "".join(lines[-tail:]), tail
    follower = cli.start("logs", "-f", "--tail", "2")
    follower._wait(lambda: "begun" in follower.out, 20.0, "the last lines")
    cli.go()
    assert follower.end() == 0, follower.text
    assert follower.out == "30000\nbegun\n"


@pytest.mark.slow
def test_the_log_of_a_launch_that_was_lost_can_be_read(cli: CommandLine) -> None:
    body = 'if [ "$RPD_LAUNCH" = 2 ]; then echo second; exit; fi; echo first; ' + GATED
    live = cli.begin(config(body, retries=1))
    live.until_begun()
    log = cli.run_folder() / "run.log"
    live._wait(lambda: log.exists() and "begun" in log.read_text(), 20.0, "the first log")
    cli.fault("F26", how="delete")
    assert live.end() == 0, live.text
    newest = cli.rpd("logs", "job")
    assert (newest.stdout, "--launch 1 shows the one before" in newest.stderr) == ("second\n", True), newest
    assert cli.rpd("logs", "job", "--launch", "2").stdout == "second\n"
    assert cli.rpd("logs", "job", "--launch", "1", "--tail", "1").stdout == "begun\n"
    assert cli.rpd("logs", "job", "--launch", "1").stdout == "first\nbegun\n"
    refused = cli.rpd("logs", "job", "--launch", "3")
    assert (refused.returncode, "has no launch 3" in refused.stderr) == (2, True), refused.stderr
