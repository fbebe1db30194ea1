"""The jobs whose lives are searched: small, and between them every policy that decides about a pod."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.states.ports.job import Job
from tests.fakes.fake_world import job_config

BUDGET = {"max_runtime_minutes": 60, "cost_cap_usd": 0.2, "ssh_ready_timeout_sec": 300}


def config(**changes: Any) -> dict[str, Any]:
    """A job as record 0 holds it; `changes` replace whole sections."""
    return job_config(**{"name": "model", "budget": BUDGET, **changes})


SERVICES = {"session": {"services": [{"port": 8188}]}}
"""What a session asks for beside its pod."""


def of(config: dict[str, Any]) -> Job:
    """The job of a config."""
    return msgspec.convert(config, Job)


JOBS: dict[str, dict[str, Any]] = {
    "default": config(),
    "delete": config(lifecycle={"on_success": "delete", "on_failure": "delete", "on_interrupt": "delete"}),
    "recycle": config(lifecycle={"on_success": "recycle", "on_failure": "stop", "on_interrupt": "stop"}),
    "secrets": config(
        secrets=[{"name": "token", "destination": "/workspace/.token", "env": ["TOKEN"]}],
        lifecycle={"on_success": "stop", "on_failure": "stop", "on_interrupt": "stop"},
    ),
    "retries": config(
        retries=1,
        checkpoints={"paths": ["/root/state"], "every_minutes": 0.1},
        lifecycle={"on_success": "stop", "on_failure": "stop", "on_interrupt": "stop"},
    ),
    "preserve": config(lifecycle={"on_success": "preserve", "on_failure": "preserve", "on_interrupt": "stop"}),
    "idle": config(budget={**BUDGET, "idle_minutes": 10}),
    "judged": config(
        setup=[{"command": "pip install .", "on_failure": "next_host"}],
        preflight=[{"command": "nvidia-smi", "on_failure": "next_host"}],
    ),
    "keep": config(lifecycle={"on_success": "stop", "on_failure": "stop", "on_interrupt": "stop"}),
}
"""By what the config says about the pod at the end."""
_NOTHING_TO_RUN: dict[str, Any] = {section: [] for section in ("setup", "staging", "preflight", "artifacts")}
SESSIONS: dict[str, dict[str, Any]] = {"session": config(**_NOTHING_TO_RUN)}
"""A session ends as its person says."""
