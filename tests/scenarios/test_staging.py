"""What is sent: as git says where the job file wants it, and its size before anything is rented."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.harness import CommandLine, artifact, config

BODY = "mkdir -p /workspace/out; cd /workspace/src; find . -mindepth 1 | sort > /workspace/out/listed\n"


def staged(**changes: Any) -> dict[str, Any]:
    """A job that sends `src` and tells what arrived."""
    tree = {"source": "src", "destination": "/workspace/src", "gitignore": True, **changes}
    return config(BODY, staging=[tree], artifacts=artifact())


def git(folder: Path, *arguments: str) -> None:
    """As a user types it."""
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def written(folder: Path, **files: str) -> None:
    """Files by name; `__` stands for a folder's slash."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def project(cli: CommandLine) -> Path:
    """A work tree with rules in two folders, a tracked file that a rule ignores, and repositories inside."""
    root = cli.folder / "src"
    written(root, train="1", kept="2", data__big="3", lib__code="4", lib__cache="5", scratch="6", build__out__x="7")
    (root / ".gitignore").write_text("data/\nkept\nbuild/\n")
    (root / "lib" / ".gitignore").write_text("cache\n")
    git(root, "init", "-q")
    (root / ".git" / "info" / "exclude").write_text("scratch\n")
    git(root, "add", ".")
    git(root, "add", "-f", "kept")
    git(root, "commit", "-qm", "first")
    written(root, untracked="8", nested__inner="9")
    git(root / "nested", "init", "-q")
    git(root / "nested", "add", ".")
    git(root / "nested", "commit", "-qm", "first")
    return root


SENT = ["./.gitignore", "./kept", "./lib", "./lib/.gitignore", "./lib/code", "./nested", "./train", "./untracked"]


@pytest.mark.row(65)
def test_what_git_ignores_stays_here(cli: CommandLine, project: Path) -> None:
    done = cli.run(staged())
    assert done.returncode == 0, done.stderr
    assert cli.result("out/listed").splitlines() == SENT
    assert "sending tree 1 to /workspace/src: 6 files, 28 B" in done.stderr
    assert "git lists nothing in nested, a repository of its own" in done.stderr


@pytest.mark.slow
def test_earlier_runs_are_not_sent_and_both_sizes_agree(cli: CommandLine) -> None:
    """With the whole project as the source, as the starter file has it."""
    written(cli.folder, train="1", artifacts__runpod__earlier__big="2" * 4000)
    (cli.folder / "link").symlink_to("train")
    done = cli.run(staged(source=".", gitignore=False))
    assert done.returncode == 0, done.stderr
    sent = cli.result("out/listed").splitlines()
    assert "./train" in sent and "./link" in sent
    assert not [each for each in sent if "runpod" in each]
    announced = re.search(r"sending tree 1 to /workspace/src: (\d+) files", done.stderr)
    assert announced is not None
    assert f"sent {announced[1]} files" in done.stderr and f"of {announced[1]}" in done.stderr


@pytest.mark.slow
@pytest.mark.row(65)
def test_what_git_ignores_stays_there(cli: CommandLine, project: Path) -> None:
    """What a run made in the pod under an ignored name is kept, as excluded paths are; all else follows the source."""
    made = "set -e; mkdir -p /workspace/src/build/deep /workspace/src/lib; cd /workspace/src; "
    made += "touch build/deep/made lib/cache old :odd"
    document = staged(excludes=["train"])
    document["setup"] = [{"command": made}]
    done = cli.run(document)
    assert done.returncode == 0, done.stderr
    kept = ["./build", "./build/deep", "./build/deep/made", "./lib/cache"]
    expected = {*SENT, *kept} - {"./train"}
    assert set(cli.result("out/listed").splitlines()) == expected


@pytest.mark.row(65)
def test_a_folder_that_git_cannot_list_is_refused_before_renting(cli: CommandLine, project: Path) -> None:
    (cli.folder / "plain").mkdir()
    done = cli.run(staged(source="plain"))
    assert done.returncode == 2, done.stderr
    assert f"staging[0].gitignore: {cli.folder}/plain is in no git work tree" in done.stderr
    done = cli.run(staged(source="src/train"))
    assert done.returncode == 2 and "is not a folder: git lists folders" in done.stderr
    assert cli.statuses() == []


@pytest.mark.row(65)
def test_a_machine_without_git_is_told_of(cli: CommandLine, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.job(staged())
    monkeypatch.setenv("PATH", str(cli.user))
    done = cli.rpd("validate", "job.yaml")
    assert done.returncode == 2, done.stderr
    assert "git is not on this machine, and nothing else knows what it ignores" in done.stderr
    cli.job(staged(gitignore=False))
    assert cli.rpd("validate", "job.yaml").returncode == 0


@pytest.mark.row(65)
def test_a_git_that_calls_us_is_not_asked_about_itself(
    cli: CommandLine, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(cli.folder))
    cli.job(staged())
    done = cli.rpd("validate", "job.yaml", "--json")
    assert json.loads(done.stdout)["staging"][0]["files"] == 6, done.stderr


@pytest.mark.row(65)
@pytest.mark.slow
def test_the_size_is_shown_before_it_is_sent_and_warned_of(cli: CommandLine, project: Path) -> None:
    (project / "large").touch()
    os.truncate(project / "large", 2_000_000)
    cli.job(staged(warn_above_mb=1.5, gitignore=False, excludes=["nested/"], excludes_default=True))
    warned = "warning: staging: staging[0] tree 1 is 11 files, 2.0 MB: more than 1.5 MB"
    done = cli.rpd("validate", "job.yaml")
    assert done.returncode == 0 and warned in done.stderr, done.stderr
    assert f"sends {project} to /workspace/src: 11 files, 2.0 MB" in done.stderr
    plan = cli.rpd("run", "job.yaml", "--plan", "--offline")
    assert f"send {project} to /workspace/src: 11 files, 2.0 MB" in plan.stdout and warned in plan.stderr
    done = cli.run()
    assert done.returncode == 0 and warned in done.stderr, done.stderr
    assert done.stderr.index(warned) < done.stderr.index("renting")
    assert "sending tree 1 to /workspace/src: 11 files, 2.0 MB" in done.stderr
    cli.job(staged(gitignore=False))
    assert "warning: staging" not in cli.rpd("validate", "job.yaml").stderr
