"""Pods whose sshd is set up otherwise than most: few sessions on a connection, or none for us at all."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.journal.records import Observation, Outcome
from tests.scenarios.stage import Stage, artifact, config


def staged_job(stage: Stage, body: str, **sections: Any) -> dict[str, Any]:
    """One file goes there, one comes back."""
    (stage.folder / "data").mkdir()
    (stage.folder / "data" / "in.txt").write_text("in\n")
    return config(
        body,
        staging=[{"source": "data", "destination": "/workspace/data"}],
        artifacts=artifact(required=True),
        **sections,
    )


@pytest.mark.parametrize("sessions", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_few_sessions_on_a_connection_are_enough(stage: Stage, sessions: int) -> None:
    stage.fault("F42", times=0, sessions=sessions)
    body = "mkdir -p /workspace/out; cat /workspace/data/in.txt >/workspace/out/result.txt; sleep 0.8; echo said"
    points = {"paths": ["/workspace/out"], "every_minutes": 0.01}
    done = stage.run(staged_job(stage, body, checkpoints=points))
    assert done.returncode == 0, done.stderr
    assert stage.result() == "in\n"
    assert "ChannelException" not in done.stderr
    stage.judge("TERMINATED", starts=1)
    bodies = (record.body for record in stage.records())
    failed = [body for body in bodies if isinstance(body, Observation | Outcome) and body.reason is not None]
    assert not failed
