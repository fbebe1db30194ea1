"""What a pod prints and what a job file lists may be large: a run ends as it would else, and leaves nothing behind."""

from __future__ import annotations

import json

import pytest

from rpd.journal.codec import RECORD_BYTES_MAX
from tests.scenarios.harness import CommandLine, artifact, config

ASCII = "$(head -c 1660 /dev/zero | tr '\\0' x)"
CJK = "$(for i in $(seq 290); do printf 進; done)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "code", "outcome", "exit_code"), [(ASCII, 0, "succeeded", 0), (CJK, 3, "failed", 5)], ids=["ok", "failed"]
)
def test_the_last_lines_of_a_setup_command_may_be_long(
    cli: CommandLine, text: str, code: int, outcome: str, exit_code: int
) -> None:
    talk = f'line="{text}"; for n in $(seq 40); do echo "$line"; done; exit {code}'
    body = "mkdir -p /workspace/out; echo 1 > /workspace/out/x"
    done = cli.run(config(body, setup=[{"command": talk}], artifacts=artifact()))
    assert done.returncode == exit_code, done.stderr
    assert "internal" not in done.stderr and "somebody asked" not in done.stderr
    assert cli.inspect()["outcome"] == outcome
    cli.nothing_computes()


@pytest.mark.parametrize(
    ("count", "folders"), [(24, 10), pytest.param(200, 0, marks=pytest.mark.slow)], ids=["long", "two-hundred"]
)
def test_a_manifest_may_be_larger_than_a_record(cli: CommandLine, count: int, folders: int) -> None:
    body = f"cd /workspace; for n in $(seq {count}); do mkdir -p results/epoch-$n; echo $n > results/epoch-$n/x; done"
    deep = f"{'f' * 200}/" * folders
    artifacts = [
        {
            "label": f"result of epoch {n}",
            "remote_path": f"/workspace/results/epoch-{n}/x",
            "local_path": f"{{run_dir}}/results/{deep}{n}",
        }
        for n in range(1, count + 1)
    ]
    done = cli.run(config(body, artifacts=artifacts))
    assert done.returncode == 0, done.stderr
    assert (cli.inspect()["outcome"], cli.inspect()["debts"]) == ("succeeded", [])
    text = (cli.run_folder() / "runpod_deploy_pull_manifest.json").read_text()
    assert len(text) > RECORD_BYTES_MAX
    assert [each["status"] for each in json.loads(text)["artifacts"]] == ["success"] * count
    cli.judge("TERMINATED", starts=1)


def test_a_job_that_no_journal_holds_is_refused_before_anything_is_rented(cli: CommandLine) -> None:
    path = str(cli.job(config("echo hello\n" + "# a long script\n" * 5000)))
    for command in (("validate", path), ("run", path, "--sandbox")):
        done = cli.rpd(*command)
        assert done.returncode == 2, done.stderr
        assert "put a long script into a staged file" in done.stderr and "Traceback" not in done.stderr
    assert not cli.statuses()
