"""Commands that every process runs again which still has to launch the job."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.harness import CommandLine, artifact, config, eventually

BODY = """
mkdir -p /workspace/out
until [ -e /workspace/done ]; do sleep 0.05; done
cp /workspace/runs /workspace/out/runs
"""


def said(word: str, *, repeatable: bool = False) -> dict[str, object]:
    """A command that leaves a line."""
    return {"command": f"echo {word} >> /workspace/runs", "repeatable": repeatable}


@pytest.mark.slow
@pytest.mark.row(67)
def test_repeatable_commands_are_run_again_until_the_job_is_launched(cli: CommandLine) -> None:
    gate = {"command": "echo gate >> /workspace/runs; until [ -e /workspace/go ]; do sleep 0.05; done"}
    document = config(
        BODY,
        setup=[said("once"), said("mount", repeatable=True)],
        preflight=[said("login", repeatable=True), gate, said("checked")],
        artifacts=artifact(),
    )
    live = cli.begin(document)
    live.until("preflight")
    volume = Path(cli.sandbox_home, "pods", cli.live_pod()["id"], "volume")
    runs = volume / "runs"
    eventually(lambda: "gate" in runs.read_text() if runs.exists() else False, tell=lambda: live.text)
    live.kill()
    cli.go()
    live = cli.start("resume", cli.run_id)
    live.until("monitor")
    live.kill()
    (volume / "done").touch()
    done = cli.rpd("resume", cli.run_id)
    assert done.returncode == 0, done.stderr
    cli.judge("TERMINATED", starts=1)
    expected = ["once", "mount", "login", "gate", "mount", "login", "checked"]
    assert cli.result("out/runs").split() == expected, "the gate was not run twice, and nothing once the job ran"
