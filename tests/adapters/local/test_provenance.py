"""Which code a run was started from."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rpd.adapters.local.provenance import Provenance, provenance


def git(folder: Path, *arguments: str) -> str:
    identity = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", *arguments]
    done = subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, env={**os.environ, **identity}
    )
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    assert provenance(tmp_path) == Provenance(git_branch="main", is_dirty=False)
    (tmp_path / "uv.lock").write_text("lock")
    (tmp_path / "requirements.txt").write_text("x")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    found = provenance(tmp_path)
    assert found == Provenance(
        git_sha=git(tmp_path, "rev-parse", "HEAD"),
        git_branch="main",
        is_dirty=False,
        lock_file="uv.lock",
        lock_sha256=hashlib.sha256(b"lock").hexdigest(),
    )
    (tmp_path / "new").write_text("")
    assert provenance(tmp_path).is_dirty is True
    git(tmp_path, "checkout", "-q", "--detach")
    assert provenance(tmp_path).git_branch is None


def test_nothing_is_known_and_nothing_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance(tmp_path) == Provenance()
    assert provenance(tmp_path / "gone") == Provenance()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance(tmp_path) == Provenance()


def test_a_git_that_hangs_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance(tmp_path, git_seconds=0.1) == Provenance()
