"""The code from which a run was started: the git commit and the lock file's hash. It reports what it can, and never
fails."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import msgspec

from rpd.adapters.local.children import plain_environment

GIT_SECONDS = 5.0

LOCK_FILES = (
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pixi.lock",
    "Pipfile.lock",
    "conda-lock.yml",
    "requirements.lock",
    "requirements.txt",
)
"""rpd looks for them in this order, and hashes the first one that exists."""


class Provenance(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known; None for what is not. `is_dirty` counts changed tracked files and untracked ones."""

    git_sha: str | None = None
    git_branch: str | None = None
    is_dirty: bool | None = None
    lock_file: str | None = None
    lock_sha256: str | None = None


def provenance(project_root: Path, *, git_seconds: float = GIT_SECONDS) -> Provenance:
    """Read the state of the project folder. Each question to git may take `git_seconds`."""
    sha = _git(project_root, git_seconds, "rev-parse", "--verify", "HEAD")
    branch = _git(project_root, git_seconds, "symbolic-ref", "--quiet", "--short", "HEAD")
    changes = _git(project_root, git_seconds, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    lock_file, lock_sha256 = _lock(project_root)
    return Provenance(
        git_sha=sha or None,
        git_branch=branch or None,
        is_dirty=None if changes is None else bool(changes),
        lock_file=lock_file,
        lock_sha256=lock_sha256,
    )


def _git(folder: Path, seconds: float, *arguments: str) -> str | None:
    """The output of git. None if there is no git, no repository or no answer in time."""
    # Without optional locks a run never disturbs a commit in progress. Without fsmonitor no program of the repository
    # starts.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments]
    environment = {**plain_environment("GIT_"), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def _lock(folder: Path) -> tuple[str | None, str | None]:
    for name in LOCK_FILES:
        try:
            with (folder / name).open("rb") as file:
                return name, hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError):
            continue
    return None, None
