"""What a command loads before it does anything. Names of modules, not times: these tests cannot flake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rpd.adapters.cli import commands
from rpd.adapters.cli.tree import NAMES, _asked, tree_of
from rpd.adapters.spec.jobfile import load_text
from rpd.journal.paths import journal_path
from rpd.journal.records import Closed, Stamp
from rpd.journal.store import Journal
from tests.adapters.report.samples import JOB, opened

COMMANDS = Path(commands.__file__).parent
HEAVY = {"paramiko", "requests", "cryptography", "rich", "transitions", "yaml", "asyncssh", "starlette", "uvicorn"}


def loaded(home: Path, *words: str) -> set[str]:
    """Top-level names of the modules that this command imports."""
    return loaded_by(home, "-m", "rpd.adapters.cli", *words)


def loaded_by(home: Path, *words: str) -> set[str]:
    """The same for what Python is told to run."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words],
        env={**os.environ, "RPD_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    rows = [row.rsplit("|", 1) for row in done.stderr.splitlines() if row.startswith("import time:")]
    return {row[1].strip().split(".")[0] for row in rows}


def journal(home: Path, *, is_over: bool) -> Path:
    """A run that was opened and, perhaps, closed."""
    job = load_text(JOB, home / "j.yaml")
    path = journal_path(home, "j", job.run_id)
    cloud = {"name": "runpod", "url": "https://example.com/v2"}
    body = opened(job, tool_version="0.1.0", journal_path=str(path), cloud=cloud)
    home.mkdir(mode=0o700)
    with Journal.create(path, body, run_id=job.run_id, now=lambda: Stamp(1.8e9, 1.0, "boot")) as opening:
        if is_over:
            opening.append(Closed("succeeded", None, 0, 0.01))
    return path


def test_version_loads_no_parser(tmp_path: Path) -> None:
    assert not loaded(tmp_path / "home", "--version") & (HEAVY | {"typer", "msgspec"})


def test_help_loads_no_body(tmp_path: Path) -> None:
    for words in (("--help",), ("run", "--help"), ("sandbox", "--help")):
        assert not loaded(tmp_path / "home", *words) & (HEAVY | {"msgspec"}), words


def test_inspect_loads_only_what_reads_journals(tmp_path: Path) -> None:
    for is_over in (True, False):
        home = tmp_path / f"home-{is_over}"
        path = journal(home, is_over=is_over)
        for words in (("inspect",), ("inspect", str(path), "--json")):
            assert not loaded(home, *words) & (HEAVY | {"typer"}), words
        assert not loaded(home, "inspect", "--graph") & HEAVY


def test_ssh_loads_no_framework(tmp_path: Path) -> None:
    found = loaded_by(tmp_path / "home", "-c", "import rpd.adapters.wiring")
    assert "paramiko" in found and not found & {"asyncio", "unittest", "fabric"}
    assert "invoke" in found, "paramiko has stopped asking for it: adapters/ssh/__init__.py need not refuse it"


def test_a_command_reads_the_options_of_no_other() -> None:
    def read(words: list[str]) -> list[str | None]:
        found = tree_of(*_asked(words))
        return [each.name for each in (*found.registered_commands, *found.registered_groups)]

    for name in NAMES:
        for words in ([name], ["--debug", name, "--help"]):
            assert read(words) == [name]
    for words in ([], ["--help", "run"], ["--debug"], ["no-such-command"]):
        assert sorted(map(str, read(words))) == sorted(NAMES)


def test_a_file_of_a_command_is_named_after_it() -> None:
    found = {
        path.stem.removesuffix("_").replace("_", "-") for path in COMMANDS.rglob("*.py") if path.stem != "__init__"
    }
    assert found == set(NAMES)
