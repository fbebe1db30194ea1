"""A lost job is launched again, as often as the job file says, and goes on from its checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.run_folder.workspace import MANIFEST_NAME
from tests.scenarios.harness import CommandLine, artifact, config
from tests.scenarios.live import eventually

BODY = """
set -eu
mkdir -p /workspace/ckpt /root/state /workspace/out
if [ -e /workspace/ckpt/step ]; then
    cat /workspace/ckpt/step > /workspace/out/from
    cat /root/state/local > /workspace/out/local
    exit 0
fi
echo seven > /root/state/local
echo 7 > /workspace/ckpt/step
echo begun
until [ -e /workspace/go ]; do sleep 0.05; done
"""


def retried(body: str = BODY, **sections: Any) -> dict[str, Any]:
    """A job with checkpoints on both disks of its pod, which may be lost once."""
    usual: dict[str, Any] = {
        "retries": 1,
        "checkpoints": {"paths": ["/workspace/ckpt", "/root/state"], "every_minutes": 0.01},
        "artifacts": artifact(),
    }
    return config(body, **{**usual, **sections})


def checkpoint(cli: CommandLine, path: str = "workspace/ckpt/step") -> Path:
    """Where a checkpoint lies on this machine."""
    return cli.run_folder() / "checkpoints" / path


@pytest.mark.row(88, 89)
@pytest.mark.slow
def test_a_job_whose_pod_vanished_goes_on_in_a_fresh_one(cli: CommandLine) -> None:
    live = cli.begin(retried())
    live.until("monitor")
    eventually(
        lambda: checkpoint(cli).exists() and checkpoint(cli, "root/state/local").exists(), tell=lambda: live.text
    )
    cli.fault("F26", how="delete")
    assert live.end() == 0, live.text
    cli.judge("TERMINATED", "TERMINATED", starts=2)
    assert "launch 1 was lost with its pod" in live.text
    assert (cli.result("out/from"), cli.result("out/local")) == ("7\n", "seven\n")
    assert cli.inspect()["debts"] == []
    launches = [body for run in cli.truth()["jobs"].values() for body in run.values()]
    assert launches == [1, 1], "each launch was executed once"
    manifest = json.loads((cli.run_folder() / MANIFEST_NAME).read_text())
    assert manifest["launches"] == 2
    assert "begun" in cli.result("run.log")
    assert cli.rpd("logs", cli.run_id).stdout == cli.result("run-2.log")


@pytest.mark.slow
@pytest.mark.row(89)
def test_a_job_that_was_lost_in_its_pod_is_launched_again_there(cli: CommandLine) -> None:
    live = cli.begin(retried())
    live.until("monitor")
    eventually(lambda: checkpoint(cli, "root/state/local").exists(), tell=lambda: live.text)
    cli.fault("F26", how="stop")
    assert live.end() == 0, live.text
    cli.judge("TERMINATED", starts=2)
    assert (cli.result("out/from"), cli.result("out/local")) == ("7\n", "seven\n")


@pytest.mark.slow
@pytest.mark.row(89)
def test_a_job_is_not_launched_more_often_than_the_file_says(cli: CommandLine) -> None:
    live = cli.begin(retried("sleep 600", checkpoints={"paths": []}))
    live.until("monitor")
    cli.fault("F26", how="delete")
    eventually(lambda: cli.starts() == 2 and cli.state() == "monitor", tell=lambda: live.text)
    cli.fault("F26", how="delete")
    assert live.end() == 10, live.text
    cli.judge("TERMINATED", "TERMINATED", starts=2)
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"], seen["debts"]) == ("lost", "pod_vanished", [])


@pytest.mark.slow
@pytest.mark.row(89)
def test_who_cleans_up_launches_nothing(cli: CommandLine) -> None:
    live = cli.begin(retried(checkpoints={"paths": []}))
    live.until("monitor")
    live.kill()
    cli.somebody("delete")
    assert cli.rpd("gc", "--yes").returncode == 0
    cli.judge("TERMINATED", starts=1)
    assert cli.inspect()["outcome"] == "lost"


@pytest.mark.slow
@pytest.mark.row(86, 89)
def test_a_run_that_was_resumed_has_its_retries_still(cli: CommandLine) -> None:
    live = cli.begin(retried())
    live.until("monitor")
    eventually(
        lambda: checkpoint(cli).exists() and checkpoint(cli, "root/state/local").exists(), tell=lambda: live.text
    )
    live.kill()
    cli.somebody("delete")
    done = cli.rpd("resume", cli.run_id)
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", "TERMINATED", starts=2)
    assert cli.result("out/from") == "7\n"


@pytest.mark.slow
@pytest.mark.row(88)
def test_checkpoints_come_back_at_the_end_and_nobody_waits_for_them(cli: CommandLine) -> None:
    body = "mkdir -p /workspace/ckpt; echo last > /workspace/ckpt/step"
    paths = {"paths": ["/workspace/ckpt", "/workspace/none"], "every_minutes": 60}
    done = cli.run(retried(body, checkpoints=paths, artifacts=[]))
    assert done.returncode == 0, done.stderr
    assert checkpoint(cli).read_text() == "last\n"
    cli.judge("TERMINATED", starts=1)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"checkpoints": {"paths": ["ckpt"]}}, "checkpoints.paths"),
        ({"checkpoints": {"paths": ["/workspace/a", "/workspace/a"]}}, "named twice"),
        ({"retries": -1}, "retries"),
        ({"artifacts": artifact(label="checkpoint /workspace/ckpt")}, "label"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: CommandLine, section: dict[str, Any], words: str) -> None:
    cli.job(config(**section))
    done = cli.rpd("validate", "job.yaml")
    assert done.returncode == 2 and words in done.stderr, done.stderr
