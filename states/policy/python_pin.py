"""`pod.python_version`: the key of its step, and what the job and the commands with env learn about it."""

from __future__ import annotations

from rpd.states.ports.job import Job

PYTHON_KEY = "preflight-python-"
"""The start of the key of the step that installs the interpreter."""
PYTHON_SECONDS = 600.0
"""The time for uv and the interpreter to arrive."""


def exports(job: Job) -> dict[str, str]:
    """The environment of the job and of commands with env. For uv, `UV_PYTHON` overrides everything else that names a
    version.
    """
    pinned = {"UV_PYTHON": job.pod.python_version} if job.pod.python_version is not None else {}
    return {**job.remote_env.exports, **pinned}


def python_reported(key: str, exit_code: int, tail: tuple[str, ...]) -> str | None:
    """The version of the interpreter as the pod reports it, if this step has installed it; else None."""
    if not key.startswith(PYTHON_KEY) or exit_code or not tail:
        return None
    return tail[-1].removeprefix("Python ").strip()
