"""A job that uses most of what a file can say, judged from inside its pod and by what came back."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.harness import CommandLine, artifact, config

BODY = """
set -eu
mkdir -p /workspace/out
{ echo "mode=$MODE"; echo "epochs=$EPOCHS"; echo "sourced=$SOURCED"; ls -A /workspace/src; } > /workspace/out/seen.txt
cat /workspace/step.txt >> /workspace/out/seen.txt
"""


@pytest.mark.slow
@pytest.mark.weak_point(10, 26, 27)
@pytest.mark.row(45, 48, 50, 65, 67, 68, 92, 109)
def test_what_the_file_says_holds_in_the_pod(cli: CommandLine) -> None:
    source = cli.folder / "src"
    for name in ("main.py", ".git/config", "__pycache__/main.pyc", "notes.tmp", "data/big.bin"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    done = cli.run(
        config(
            BODY,
            pod={"env": {"MODE": "fast"}, "ports": ["8888/http"], "container_disk_gb": 30},
            remote_env={"exports": {"EPOCHS": "3 * 2; echo x"}, "source_files": ["/workspace/env.sh"]},
            setup=[{"command": "echo export SOURCED=yes > /workspace/env.sh"}],
            preflight=[{"command": 'echo "step:$EPOCHS" > /workspace/step.txt', "with_env": True}],
            staging=[
                {
                    "source": "src",
                    "destination": "/workspace/src",
                    "excludes_default": True,
                    "excludes": ["*.tmp"],
                    "excludes_extra": ["data/"],
                }
            ],
            artifacts=artifact(local_path="results"),
        )
    )
    assert done.returncode == 0, done.stderr
    seen = (cli.folder / "results" / "seen.txt").read_text().splitlines()
    assert seen == ["mode=fast", "epochs=3 * 2; echo x", "sourced=yes", "main.py", "step:3 * 2; echo x"]
    order = next(record.body for record in cli.records() if record.event == "create_pod_intent").args["order"]  # type: ignore[union-attr]
    assert set(order["ports"]) == {"22/tcp", "8888/http"}
    assert (order["disk_gb"], order["volume_gb"]) == (30, 10)
    (cli.folder / "results" / "mine.txt").write_text("kept")
    again = cli.run(
        config("mkdir -p /workspace/out; echo 2 > /workspace/out/two.txt", artifacts=artifact(local_path="results"))
    )
    assert again.returncode == 0, again.stderr
    assert (cli.folder / "results" / "mine.txt").read_text() == "kept", "nothing here is deleted"
    folders = {path.name for path in (cli.folder / "artifacts" / "runpod").iterdir()}
    assert folders == {path.stem for path in cli.journals()}, "two runs of one second have two folders"


@pytest.mark.slow
@pytest.mark.row(19, 21, 121)
def test_every_command_answers_with_one_document(cli: CommandLine) -> None:
    cli.job(config())
    assert cli.rpd("validate", "job.yaml", "--json").returncode == 0
    ran = cli.rpd("run", "job.yaml", "--sandbox", "--json")
    assert json.loads(ran.stdout)["outcome"] == "succeeded"
    for words in (
        ("validate", "job.yaml"),
        ("inspect",),
        ("inspect", "--graph"),
        ("inspect", "--verify"),
        ("runs",),
        ("events",),
        ("summary",),
        ("compare", cli.run_id, cli.run_id),
        ("cost",),
        ("gc",),
        ("cancel", cli.run_id),
        ("estimate", "job.yaml", "--sandbox"),
        ("gpus", "--sandbox"),
        ("stock", "--sandbox"),
        ("run", "job.yaml", "--plan", "--offline"),
        ("sandbox", "truth"),
        ("sandbox", "faults"),
    ):
        done = cli.rpd(*words, "--json")
        assert done.returncode == 0, (words, done.stderr)
        assert isinstance(json.loads(done.stdout), dict | list), words
