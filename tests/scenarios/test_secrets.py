"""Files of secrets: in the pod while the job runs, nowhere else, and gone before the pod is kept."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from rpd.journal.records import Outcome
from tests.scenarios.harness import GATED, CommandLine, config
from tests.scenarios.live import eventually

TOKEN = "s3cr3t 'quoted' $HOME `id`; x=é"
CERTIFICATE = bytes(range(256)) * 3
BODY = """
set -eu
mkdir -p /workspace/out
sh -c 'printf %s "$API_TOKEN"' | sha256sum > /workspace/out/token
sha256sum < /workspace/conf/cert.der > /workspace/out/cert
stat -L -c %a /workspace/secrets.env /workspace/conf/cert.der > /workspace/out/modes
"""
SECRETS = [
    {"name": "tokens", "destination": "/workspace/secrets.env", "env": ["API_TOKEN"]},
    {"name": "certificate", "destination": "/workspace/conf/cert.der", "file": "cert.der", "mode": "0400"},
]


def secretive(body: str = BODY, **sections: Any) -> dict[str, Any]:
    """A job with two files of secrets, whose pod is kept."""
    usual = {
        "secrets": SECRETS,
        "remote_env": {"source_files": ["/workspace/secrets.env"]},
        "artifacts": [{"label": "all", "remote_path": "/workspace", "local_path": "{run_dir}/all"}],
        "lifecycle": {"on_success": "stop", "on_interrupt": "stop"},
    }
    return config(body, **{**usual, **sections})


@pytest.fixture(autouse=True)
def at_hand(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", TOKEN)
    (cli.folder / "cert.der").write_bytes(CERTIFICATE)


def volume(cli: CommandLine) -> Path:
    """The disk of the newest pod, which outlives its stop."""
    return Path(cli.sandbox_home / "pods" / cli.truth()["pods"][-1]["id"] / "volume")


def traces(folder: Path) -> list[str]:
    """Files below a folder that hold a secret, whole or as a line of it."""
    told = [TOKEN.encode(), b"s3cr3t", CERTIFICATE, CERTIFICATE[:64]]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in files if any(secret in path.read_bytes() for secret in told)]


@pytest.mark.weak_point(22, 29)
@pytest.mark.row(28, 69, 72)
def test_the_job_has_its_secrets_and_nothing_else_does(cli: CommandLine) -> None:
    done = cli.run(secretive())
    assert done.returncode == 0, done.stderr
    folder = cli.run_folder() / "all" / "out"
    assert (folder / "token").read_text().split()[0] == hashlib.sha256(TOKEN.encode()).hexdigest()
    assert (folder / "cert").read_text().split()[0] == hashlib.sha256(CERTIFICATE).hexdigest()
    assert (folder / "modes").read_text().split() == ["600", "400"]
    assert cli.statuses() == ["EXITED"]
    (cli.folder / "cert.der").unlink()
    assert traces(cli.folder) == [], "neither results nor log"
    assert traces(cli.home) == [], "neither the journal, nor the pod's disk, nor what its cloud was told"
    assert not os.path.lexists(volume(cli) / "secrets.env")
    removed = [each.body for each in cli.records() if getattr(each.body, "op", "") == "remove_secrets"]
    assert isinstance(removed[-1], Outcome) and removed[-1].status == "ok", "their absence is on record"


def test_a_secret_that_a_failed_command_prints_is_masked_before_it_is_cut(cli: CommandLine) -> None:
    """What a command printed is cut at 2,000 characters a line, and a journal must not keep what is left then."""
    command = ". /workspace/secrets.env; printf '%1990s%s\\n' '' \"$API_TOKEN\"; exit 3"
    done = cli.run(secretive(preflight=[{"command": command}]))
    assert done.returncode == 5, done.stderr
    (cli.folder / "cert.der").unlink()
    assert "***" in cli.journal.read_text()
    assert traces(cli.home / "journals") == []
    assert traces(cli.folder) == []


@pytest.mark.weak_point(21)
@pytest.mark.row(28)
def test_a_missing_secret_is_refused_before_anything_is_rented(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("API_TOKEN")
    (cli.folder / "cert.der").unlink()
    done = cli.run(secretive())
    assert done.returncode == 2, done.stderr
    assert "$API_TOKEN is not set" in done.stderr
    assert "cert.der cannot be read" in done.stderr
    assert cli.statuses() == []


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ({"name": "a", "destination": "/a"}, "needs `env`"),
        ({"name": "a", "destination": "/a", "env": ["A"], "file": "b"}, "exclude each other"),
        ({"name": "a", "destination": "a", "env": ["A"]}, "destination"),
        ({"name": "a", "destination": "/a", "env": ["A-B"]}, "env"),
        ({"name": "a", "destination": "/a", "env": ["A"], "mode": "rw"}, "mode"),
    ],
)
def test_a_secret_that_makes_no_sense_is_refused(cli: CommandLine, secret: dict[str, Any], words: str) -> None:
    cli.job(config(secrets=[secret]))
    done = cli.rpd("validate", "job.yaml")
    assert done.returncode == 2 and words in done.stderr, done.stderr


@pytest.mark.slow
def test_a_run_that_goes_on_without_its_secret_gives_the_pod_back(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = secretive(GATED, setup=[{"command": "until [ -e /workspace/go ]; do sleep 0.05; done"}])
    live = cli.begin(job)
    eventually(lambda: cli.state() == "setup", tell=lambda: live.text)
    live.kill()
    monkeypatch.delenv("API_TOKEN")
    cli.go()
    done = cli.rpd("resume", cli.run_id)
    assert done.returncode == 5, done.stderr
    assert "$API_TOKEN is not set" in done.stderr
    assert cli.starts() == 0
    cli.nothing_computes()


@pytest.mark.slow
def test_a_secret_is_removed_when_the_run_is_interrupted(cli: CommandLine) -> None:
    live = cli.begin(secretive(GATED))
    live.until_text("job started")
    assert os.path.lexists(volume(cli) / "secrets.env")
    assert cli.rpd("cancel", cli.run_id).returncode == 0
    live.end()
    cli.nothing_computes()
    assert not os.path.lexists(volume(cli) / "secrets.env")
    (cli.folder / "cert.der").unlink()
    assert traces(cli.home) == []
