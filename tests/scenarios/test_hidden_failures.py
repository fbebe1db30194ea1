"""A job whose crash hides, and what is said of a crash: judged by the sandbox, on a terminal and off it."""

from __future__ import annotations

import json
import re

import pytest

from rpd.journal.records import Intent
from tests.scenarios.harness import CommandLine, artifact, config

CRASH = "CUDA error: no kernel image is available for execution on the device"
NO_KERNEL = f"RuntimeError: {CRASH}"
HIDDEN = f"""mkdir -p /workspace/out
python3 -c 'raise RuntimeError("{CRASH}")' 2>&1 | tee /workspace/out/log
"""
NOTIFY = {"command": "cat >> ../notices.jsonl; echo >> ../notices.jsonl"}


def test_a_crash_behind_a_pipe_is_a_failure(cli: CommandLine) -> None:
    done = cli.run(config(HIDDEN, artifacts=artifact()))
    assert done.returncode == 5, done.stderr
    cli.judge("EXITED", starts=1)
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"], seen["exit_code"]) == ("failed", "job_failed", 1)
    assert NO_KERNEL in seen["why"] and "built for this GPU" in seen["why"]
    *_, last_words = done.stderr.partition("failed (job_failed)")
    assert f"why:     the job's exit code was 1; its log says: {NO_KERNEL}" in last_words


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "sh -u"])
def test_the_shell_that_the_file_names_runs_the_job(cli: CommandLine, shell: str) -> None:
    """Without pipefail the pipe's end counts, as the file asks for; what the log shows is told all the same, and
    somebody is told while the pod is there."""
    body = f"{HIDDEN}false | true\n"
    done = cli.run(config(run={"body": body, "shell": shell}, artifacts=artifact(), notify=NOTIFY))
    assert done.returncode == 0, done.stderr
    assert cli.statuses() == ["TERMINATED"]
    told = [json.loads(line) for line in (cli.folder.parent / "notices.jsonl").read_text().splitlines()]
    assert [notice["what"] for notice in told] == ["doubt", "end"]
    assert all(NO_KERNEL in notice["text"] for notice in told)
    ops = [record.body.op for record in cli.records() if isinstance(record.body, Intent)]
    assert ops.index("notify") < ops.index("delete_pod"), "while the pod is there"
    *_, last_words = done.stderr.partition("\nsucceeded in ")
    assert NO_KERNEL in last_words and "look before you rely on the results" in last_words, done.stderr
    summary = cli.rpd("summary", cli.run_id)
    assert summary.returncode == 0 and NO_KERNEL in summary.stdout
    assert NO_KERNEL in json.loads(cli.rpd("summary", cli.run_id, "--json").stdout)["run"]["doubts"][0]


@pytest.mark.slow
def test_a_shell_that_is_no_shell_runs_the_job_as_well(cli: CommandLine) -> None:
    run = {"body": "import sys\nprint('I am', 'Python')\nsys.exit(0)\n", "shell": "python3 -u"}
    done = cli.run(config(run=run))
    assert done.returncode == 0 and "I am Python" in done.stderr, done.stderr


@pytest.mark.slow
def test_a_pipe_that_is_read_no_further_is_told_as_what_it_is(cli: CommandLine) -> None:
    done = cli.run(config("yes | head -n 1"))
    assert done.returncode == 5, done.stderr
    assert "stopped reading" in cli.inspect()["why"] and "run.shell" in cli.inspect()["why"]
    assert cli.run(config(run={"body": "yes | head -n 1", "shell": "bash"})).returncode == 0


@pytest.mark.slow
def test_a_failure_on_a_terminal_says_what_it_was(cli: CommandLine) -> None:
    cli.job(config("set -e\nfor i in $(seq 30); do echo line $i; done\npython3 -c 'import no_such_module_xyz'\n"))
    live = cli.start_on_terminal("run", "job.yaml", "--sandbox")
    assert live.end() == 5, live.text
    screen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", live.text)
    *_, ending = screen.rpartition("the last lines of")
    assert "Traceback (most recent call last):" in ending, "the last 20 lines of the log stay on the screen"
    assert "line 20" in ending and ending.count("Traceback") == 1
    flat = " ".join(ending.split())
    assert (
        "why: the job's exit code was 1; its log says: ModuleNotFoundError: No module named 'no_such_module_xyz'"
        in flat
    )
    assert "install it in a setup command" in flat
    assert flat.count("next:") == 1 and "a month" in flat
    assert "stopped: its log says" not in flat and "stopped: Mod" not in flat
