"""What a script leaves in the background: training is waited for and brings its results, a server ends with the job."""

from __future__ import annotations

import pytest

from tests.scenarios.harness import CommandLine, artifact, config

UNTIL_GO = "until [ -e /workspace/go ]; do sleep 0.1; done; echo model > /workspace/out/result.txt"
LEFT = f"mkdir -p /workspace/out; echo begun; nohup bash -c '{UNTIL_GO}' > /workspace/train.log 2>&1 &\n"
SERVER = (
    "mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt\n"
    "python3 -S -c 'import socket, time; s = socket.create_server((str(), 0)); time.sleep(600)' >/dev/null 2>&1 &\n"
    "sleep 0.3\n"
)


@pytest.mark.slow
def test_training_in_the_background_survives_its_engine_and_brings_its_results(cli: CommandLine) -> None:
    live = cli.begin(config(LEFT, artifacts=artifact()))
    live.until_text("left something in the background", 40.0)
    live.kill()
    assert "was told to outlive the script" in cli.inspect()["waits_for"]
    cli.go()
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr
    assert cli.result() == "model\n" and "whose exit code nobody knows" in done.stderr
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_training_that_crashes_after_its_script_makes_a_success_in_doubt(cli: CommandLine) -> None:
    """Nobody knows its exit code; what it said after the script's end is in the log all the same."""
    crash = "until [ -e /workspace/go ]; do sleep 0.1; done; python3 -S -c 'raise RuntimeError(7)'"
    live = cli.begin(
        config(
            f"mkdir -p /workspace/out; echo 42 > /workspace/out/result.txt\n({crash}) & disown", artifacts=artifact()
        )
    )
    live.until_text("left something in the background", 40.0)
    cli.go()
    assert live.end() == 0
    assert "this counts as a success, but the job's log says: RuntimeError: 7" in live.text
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_a_cancel_ends_the_wait(cli: CommandLine) -> None:
    live = cli.begin(config(LEFT, artifacts=artifact(required=False)))
    live.until_text("left something in the background", 40.0)
    done = cli.rpd("cancel")
    assert done.returncode == 0, done.stderr
    assert live.end() == 130
    seen = cli.inspect()
    assert (seen["outcome"], seen["exit_code"]) == ("cancelled", 143)


@pytest.mark.slow
def test_a_server_beside_the_work_ends_with_the_job(cli: CommandLine) -> None:
    done = cli.run(config(SERVER, artifacts=artifact()))
    assert done.returncode == 0, done.stderr
    assert cli.result() == "42\n" and "1 process left in the background, ended: python3" in done.stderr
    cli.judge("TERMINATED", starts=1)
