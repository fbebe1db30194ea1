"""`pod.python_version`: what its step is called, and what commands with env and the job are told of it."""

from __future__ import annotations

from rpd.states.ports.job import Job

PYTHON_KEY = "preflight-python-"
"""What the key of the step begins with that brings the interpreter."""
PYTHON_SECONDS = 600.0
"""Time for uv and the interpreter to arrive."""


def exports(job: Job) -> dict[str, str]:
    """The environment of commands with env and of the job: uv takes `UV_PYTHON` over all else that names a version."""
    pinned = {"UV_PYTHON": job.pod.python_version} if job.pod.python_version is not None else {}
    return {**job.remote_env.exports, **pinned}


def python_told(key: str, exit_code: int, tail: tuple[str, ...]) -> str | None:
    """The version of the interpreter as the pod says, when this step has brought it; else None."""
    if not key.startswith(PYTHON_KEY) or exit_code or not tail:
        return None
    return tail[-1].removeprefix("Python ").strip()
