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


def checkpoint(stage: CommandLine, path: str = "workspace/ckpt/step") -> Path:
    """Where a checkpoint lies on this machine."""
    return stage.run_folder() / "checkpoints" / path


@pytest.mark.row(88, 89)
@pytest.mark.slow
def test_a_job_whose_pod_vanished_goes_on_in_a_fresh_one(stage: CommandLine) -> None:
    live = stage.begin(retried())
    live.until("monitor")
    eventually(
        lambda: checkpoint(stage).exists() and checkpoint(stage, "root/state/local").exists(), tell=lambda: live.text
    )
    stage.fault("F26", how="delete")
    assert live.end() == 0, live.text
    stage.judge("TERMINATED", "TERMINATED", starts=2)
    assert "launch 1 was lost with its pod" in live.text
    assert (stage.result("out/from"), stage.result("out/local")) == ("7\n", "seven\n")
    assert stage.inspect()["debts"] == []
    launches = [body for run in stage.truth()["jobs"].values() for body in run.values()]
    assert launches == [1, 1], "each launch was executed once"
    manifest = json.loads((stage.run_folder() / MANIFEST_NAME).read_text())
    assert manifest["launches"] == 2
    assert "begun" in stage.result("run.log")
    assert stage.rpd("logs", stage.run_id).stdout == stage.result("run-2.log")


@pytest.mark.slow
@pytest.mark.row(89)
def test_a_job_that_was_lost_in_its_pod_is_launched_again_there(stage: CommandLine) -> None:
    live = stage.begin(retried())
    live.until("monitor")
    eventually(lambda: checkpoint(stage, "root/state/local").exists(), tell=lambda: live.text)
    stage.fault("F26", how="stop")
    assert live.end() == 0, live.text
    stage.judge("TERMINATED", starts=2)
    assert (stage.result("out/from"), stage.result("out/local")) == ("7\n", "seven\n")


@pytest.mark.slow
@pytest.mark.row(89)
def test_a_job_is_not_launched_more_often_than_the_file_says(stage: CommandLine) -> None:
    live = stage.begin(retried("sleep 600", checkpoints={"paths": []}))
    live.until("monitor")
    stage.fault("F26", how="delete")
    eventually(lambda: stage.starts() == 2 and stage.state() == "monitor", tell=lambda: live.text)
    stage.fault("F26", how="delete")
    assert live.end() == 10, live.text
    stage.judge("TERMINATED", "TERMINATED", starts=2)
    seen = stage.inspect()
    assert (seen["outcome"], seen["reason"], seen["debts"]) == ("lost", "pod_vanished", [])


@pytest.mark.slow
@pytest.mark.row(89)
def test_who_cleans_up_launches_nothing(stage: CommandLine) -> None:
    live = stage.begin(retried(checkpoints={"paths": []}))
    live.until("monitor")
    live.kill()
    stage.somebody("delete")
    assert stage.rpd("gc", "--yes").returncode == 0
    stage.judge("TERMINATED", starts=1)
    assert stage.inspect()["outcome"] == "lost"


@pytest.mark.slow
@pytest.mark.row(86, 89)
def test_a_run_that_was_resumed_has_its_retries_still(stage: CommandLine) -> None:
    live = stage.begin(retried())
    live.until("monitor")
    eventually(
        lambda: checkpoint(stage).exists() and checkpoint(stage, "root/state/local").exists(), tell=lambda: live.text
    )
    live.kill()
    stage.somebody("delete")
    done = stage.rpd("resume", stage.run_id)
    assert done.returncode == 0, done.stderr
    stage.judge("TERMINATED", "TERMINATED", starts=2)
    assert stage.result("out/from") == "7\n"


@pytest.mark.slow
@pytest.mark.row(88)
def test_checkpoints_come_back_at_the_end_and_nobody_waits_for_them(stage: CommandLine) -> None:
    body = "mkdir -p /workspace/ckpt; echo last > /workspace/ckpt/step"
    paths = {"paths": ["/workspace/ckpt", "/workspace/none"], "every_minutes": 60}
    done = stage.run(retried(body, checkpoints=paths, artifacts=[]))
    assert done.returncode == 0, done.stderr
    assert checkpoint(stage).read_text() == "last\n"
    stage.judge("TERMINATED", starts=1)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"checkpoints": {"paths": ["ckpt"]}}, "checkpoints.paths"),
        ({"checkpoints": {"paths": ["/workspace/a", "/workspace/a"]}}, "named twice"),
        ({"retries": -1}, "retries"),
        ({"artifacts": artifact(label="checkpoint /workspace/ckpt")}, "label"),
    ],
)
def test_what_makes_no_sense_is_refused(stage: CommandLine, section: dict[str, Any], words: str) -> None:
    stage.job(config(**section))
    done = stage.rpd("validate", "job.yaml")
    assert done.returncode == 2 and words in done.stderr, done.stderr
