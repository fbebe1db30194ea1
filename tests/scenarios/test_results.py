"""What comes back: results that are none, links that lead out, patterns, and big files over a poor link."""

from __future__ import annotations

import json
from typing import Any

from tests.scenarios.stage import Stage, artifact, config

OUT = "mkdir -p /workspace/out/deep\n"


def manifest(stage: Stage) -> dict[str, Any]:
    text = (stage.run_folder() / "runpod_deploy_pull_manifest.json").read_text()
    return dict(json.loads(text)["artifacts"][0])


def test_a_folder_without_one_file_has_not_arrived(stage: Stage) -> None:
    done = stage.run(config(OUT, artifacts=artifact()))
    assert done.returncode == 5, done.stderr
    assert "no file in the folder at the remote path of: result" in done.stderr
    assert "allow_empty: true" in done.stderr
    seen = stage.inspect()
    assert (seen["outcome"], seen["reason"], manifest(stage)["status"]) == ("failed", "artifact_missing", "missing")
    stage.judge("EXITED", starts=1)


def test_a_job_whose_results_go_with_its_pod_is_warned_of(stage: Stage) -> None:
    stage.job(config())
    words = "warning: results: the job declares no artifact, and its pod is deleted after a success with all it holds"
    for command in (("validate", "job.yaml"), ("run", "job.yaml", "--plan", "--offline")):
        done = stage.rpd(*command)
        assert done.returncode == 0 and words in done.stderr, done.stderr
    done = stage.run()
    assert done.returncode == 0 and words in done.stderr.split("run job-")[0], done.stderr
    stage.judge("TERMINATED", starts=1)
