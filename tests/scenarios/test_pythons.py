"""A run with every version of Python that is promised, as far as they are installed here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rpd.adapters.sandbox import daemon
from tests.features import used
from tests.packaging.wheel import built_wheel
from tests.scenarios.harness import bare, config

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CLASSIFIER = "Programming Language :: Python :: "
VERSIONS = [name.removeprefix(CLASSIFIER) for name in PROJECT["classifiers"] if name.startswith(CLASSIFIER)]


def interpreter(version: str) -> Path | None:
    """One of this version: on the path, or where pyenv keeps them."""
    found = [Path(name) for name in (sys.executable, shutil.which(f"python{version}")) if name]
    found += sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for path in found:
        say = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(say, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip() == version:
            return path
    return None


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """This version with rpd's wheel in an environment that is kept from test to test."""
    folder = ROOT / "build" / "pythons" / request.param
    base = interpreter(request.param)
    if base is None:
        pytest.skip(f"there is no Python {request.param} here")
    if not (folder / "bin" / "pip").exists():
        subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
    (tmp_path / "wheel").mkdir()
    wheel = built_wheel(tmp_path / "wheel")
    pip = [folder / "bin" / "pip", "--disable-pip-version-check", "install", "-q"]
    done = subprocess.run([*pip, f"{wheel}[sandbox]"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"its requirements cannot be fetched: {done.stderr[-300:]}")
    subprocess.run([*pip, "--force-reinstall", "--no-deps", wheel], check=True)  # the same number, but other sources
    return folder / "bin" / "python"


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.row(20)
def test_a_run_with_this_python(python: Path, tmp_path: Path) -> None:
    cli = bare(tmp_path)

    def rpd(*words: str) -> subprocess.CompletedProcess[str]:
        used.update(words[:1])
        return subprocess.run(
            [python.with_name("rpd"), *words],
            cwd=cli.folder,
            env=cli.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    (cli.folder / "src").mkdir()
    cli.job(config("ls /workspace/src", staging=[{"source": "src", "destination": "/workspace/src"}]))
    try:
        done = rpd("run", "job.yaml", "--sandbox")  # the sandbox is started by this Python, too
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("Warning") == 0, done.stderr
        assert json.loads(rpd("inspect", "--json").stdout)["verified"] is True
        assert rpd("gc").returncode == 0
        assert rpd("nothing").returncode == 2
        cli.judge("TERMINATED", starts=1)
    finally:
        daemon.down(cli.sandbox_home)
