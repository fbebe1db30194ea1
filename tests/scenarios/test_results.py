"""What comes back: results that are none, links that lead out, patterns, and big files over a poor link."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scenarios.harness import CommandLine, artifact, config, eventually

OUT = "mkdir -p /workspace/out/deep\n"


def manifest(cli: CommandLine) -> dict[str, Any]:
    text = (cli.run_folder() / "runpod_deploy_pull_manifest.json").read_text()
    return dict(json.loads(text)["artifacts"][0])


@pytest.mark.slow
def test_a_folder_without_one_file_has_not_arrived(cli: CommandLine) -> None:
    done = cli.run(config(OUT, artifacts=artifact()))
    assert done.returncode == 5, done.stderr
    assert "no file in the folder at the remote path of: result" in done.stderr
    assert "allow_empty: true" in done.stderr
    seen = cli.inspect()
    assert (seen["outcome"], seen["reason"], manifest(cli)["status"]) == ("failed", "artifact_missing", "missing")
    cli.judge("EXITED", starts=1)


@pytest.mark.slow
def test_a_job_whose_results_go_with_its_pod_is_warned_of(cli: CommandLine) -> None:
    cli.job(config())
    words = "warning: results: the job declares no artifact, and its pod is deleted after a success with all it holds"
    for command in (("validate", "job.yaml"), ("run", "job.yaml", "--plan", "--offline")):
        done = cli.rpd(*command)
        assert done.returncode == 0 and words in done.stderr, done.stderr
    done = cli.run()
    assert done.returncode == 0 and words in done.stderr.split("run job-")[0], done.stderr
    cli.judge("TERMINATED", starts=1)


CACHE = "mkdir -p /workspace/cache /workspace/out; echo w > /workspace/cache/abc\n"
LINKED = f"{CACHE}ln -s /workspace/cache/abc /workspace/out/base\n"


@pytest.mark.slow
def test_a_link_into_a_cache_is_fetched_as_the_file(cli: CommandLine) -> None:
    """A link that cannot be had is a warning, and the success stays one."""
    done = cli.run(config(f"{LINKED}ln -s /workspace/none /workspace/out/lost", artifacts=artifact()))
    assert done.returncode == 0, done.stderr
    out = cli.run_folder() / "out"
    assert (out / "base").read_text() == "w\n" and not (out / "base").is_symlink()
    assert "warning: result: 1 link was left out: lost -> /workspace/none (leads to nothing)" in done.stderr
    told = manifest(cli)
    assert (told["status"], told["files"], told["left_out"]) == ("success", 1, 1)
    cli.judge("TERMINATED", starts=1)


def test_no_link_brings_a_file_of_secrets(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "t0ken-of-the-cache")
    body = f"{LINKED}ln -s /workspace/keys /workspace/out/1; ln -s $(readlink /workspace/keys) /workspace/out/2 || :"
    secret = {"name": "tokens", "destination": "/workspace/keys", "env": ["API_TOKEN"]}
    done = cli.run(config(body, artifacts=artifact(), secrets=[secret]))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("(leads to no result)") and manifest(cli)["left_out"] >= 1, done.stderr
    assert not [each for each in cli.run_folder().rglob("*") if each.is_file() and "t0ken" in each.read_text()]


def test_what_matches_a_pattern_is_fetched_and_nothing_that_matches_is_missing(cli: CommandLine) -> None:
    body = (
        "for each in 100 200; do mkdir -p /workspace/out/step-$each; echo $each > /workspace/out/step-$each/model; done"
    )
    done = cli.run(config(body, artifacts=artifact(remote_path="/workspace/out/step-*")))
    assert done.returncode == 0, done.stderr
    assert (cli.result("out/step-100/model"), cli.result("out/step-200/model")) == ("100\n", "200\n")
    done = cli.run(config(body, artifacts=artifact(remote_path="/workspace/out/epoch-[0-9]*")), "--new")
    assert done.returncode == 5 and "nothing at the remote path of: result" in done.stderr, done.stderr
    assert cli.inspect()["reason"] == "artifact_missing"
    cli.judge("TERMINATED", "EXITED", starts=2)


@pytest.mark.slow
def test_a_large_file_over_a_link_that_breaks_comes_piece_by_piece(cli: CommandLine) -> None:
    """Each break leaves more of it here, and a person sees how much."""
    body = "mkdir -p /workspace/out; head -c 400000000 /dev/urandom >/workspace/out/m"
    live = cli.begin(config(body, artifacts=artifact()))
    live.until("collect", 120.0)
    part, seen = "artifacts/runpod/*/out.partial-*/m", [0]
    for _ in range(2):
        eventually(lambda: sum(each.stat().st_size for each in cli.folder.glob(part)) > seen[-1] + 4_000_000, 60.0)
        cli.fault("F40", seconds=0.2)
        live.until_text("of 400.0 MB are here", 60.0)
        seen.append(sum(each.stat().st_size for each in cli.folder.glob(part)))
    assert live.end(120.0) == 0, live.text
    assert 0 < seen[1] <= seen[2], "nothing that was here was fetched again"
    assert "collected result: 1 file, 400.0 MB, verified" in live.text
    cli.judge("TERMINATED", starts=1)
