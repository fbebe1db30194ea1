"""A user with a folder and a state home of their own, who types commands as real processes. No sandbox runs."""

from __future__ import annotations

import getpass
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rpd.adapters.local.clock import SystemClock
from rpd.adapters.spec.jobfile import load_job
from rpd.journal.paths import journal_path
from rpd.journal.records import Opened
from rpd.journal.store import Journal
from tests.adapters.cli.desk import Desk

RPD = [sys.executable, "-m", "rpd.adapters.cli"]
IMAGE = "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04"
JOB = f"""name: job
pod: {{image: "{IMAGE}", gpu_order: [NVIDIA L4]}}
storage: {{volume_gb: 10}}
variables: {{word: hello}}
run: {{body: "echo {{word}}"}}
"""


class Typist:
    """Types `rpd ...`; the account is a socket that notices any knock."""

    def __init__(self, folder: Path, account: socket.socket, bytecode: Path) -> None:
        self.folder, self.home, self._account = folder / "project", folder / "home", account
        self.folder.mkdir()
        self.bytecode = bytecode
        self.user = folder / "user"
        self.user.mkdir()

    def __call__(self, *words: str, stdin: bytes = b"", **environ: str | None) -> subprocess.CompletedProcess[str]:
        """A command to its end, off a terminal; None removes a variable."""
        left_out = ("RPD_", "RUNPOD_", "PYTHONDONTWRITEBYTECODE")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        port = self._account.getsockname()[1]
        mine: dict[str, str | None] = {
            "RPD_HOME": str(self.home),
            "HOME": str(self.user),
            "PYTHONPYCACHEPREFIX": str(self.bytecode),
            "RPD_API_URL": f"http://127.0.0.1:{port}/v2",
            "RUNPOD_API_KEY": "rpa_0123456789abcdef",
            **environ,
        }
        return subprocess.run(
            [*RPD, *words],
            cwd=self.folder,
            env={**kept, **{key: value for key, value in mine.items() if value is not None}},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def write(self, name: str, content: str | bytes = JOB) -> str:
        """A file in the project; returns its name."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def refused(self, *words: str, code: int = 2, **environ: str | None) -> str:
        """Type it; it must be refused like this, cleanly and without a trace. Returns what was said."""
        done = self(*words, **environ)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        assert done.stderr.startswith("error: "), done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        return done.stderr

    def told_in_json(self, *words: str, code: int = 2) -> dict[str, Any]:
        """The same under `--json`: one object on stderr, nothing on stdout."""
        done = self(*words, "--json")
        assert (done.returncode, done.stdout) == (code, ""), (words, done.stdout, done.stderr)
        document = json.loads(done.stderr)
        assert set(document) == {"schema", "code", "reason", "message", "hint"}
        assert (document["schema"], document["code"]) == ("rpd.error/1", code)
        return dict(document)

    def is_untouched(self) -> bool:
        """No journal was made and nobody knocked at the account."""
        self._account.setblocking(False)
        try:
            self._account.accept()
        except BlockingIOError:
            return not (self.home / "journals").exists()
        return False

    def journal(self, name: str = "job.yaml", *, variables: dict[str, str] | None = None, **changes: Any) -> Journal:
        """An open journal as `rpd run` of this file would have begun it; closing it is a process that died."""
        loaded = load_job(self.folder / name, variables=variables or {}, home=self.user)
        self.home.mkdir(mode=0o700, exist_ok=True)
        path = journal_path(self.home, loaded.workflow, loaded.run_id)
        fields: dict[str, Any] = {
            "tool_version": "0.1.0",
            "min_reader": 1,
            "lifecycle": "job",
            "workflow": loaded.workflow,
            "lineage": loaded.lineage,
            "config_path": loaded.config_path,
            "config_sha256": loaded.config_sha256,
            "config": msgspec.to_builtins(loaded.config),
            "journal_path": str(path),
            "run_dir": loaded.run_dir,
            "cloud": {"name": "custom", "url": f"http://127.0.0.1:{self._account.getsockname()[1]}/v2"},
            "user": getpass.getuser(),
            "host": socket.gethostname(),
            "token": "0123456789abcdefghjkmnpqrs",
            "variables": loaded.variables,
        }
        return Journal.create(path, Opened(**{**fields, **changes}), run_id=loaded.run_id, now=SystemClock().now)


@pytest.fixture
def rpd(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typist]:
    """Somebody who types."""
    with socket.create_server(("127.0.0.1", 0)) as account:
        yield Typist(tmp_path, account, tmp_path_factory.getbasetemp() / "bytecode")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Somebody who types in this process."""
    return Desk(tmp_path, monkeypatch)
