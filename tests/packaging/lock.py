"""`make lock`: the newest versions that pyproject.toml allows, from a fresh environment, in the two lock files."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tests.packaging.wheel import ROOT

DEMO, DEV = ROOT / "requirements-demo.lock", ROOT / "requirements-dev.lock"
NOT_PINNED = ("pip==", "rpd-cli")


def main() -> None:
    """Write both over. Raises CalledProcessError where something cannot be installed, and then writes neither."""
    text = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = text["project"]
    demo = [*text["build-system"]["requires"], *project["dependencies"], *project["optional-dependencies"]["sandbox"]]
    with tempfile.TemporaryDirectory(prefix="rpd-lock-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        first = _installed(Path(folder), demo)
        both = _installed(Path(folder), [*first, *text["dependency-groups"]["dev"]])
    _write(DEMO, first)
    _write(DEV, ["-r requirements-demo.lock", *(line for line in both if line not in first)])


def _installed(venv: Path, wanted: list[str]) -> list[str]:
    """Install these, and say all that is there then, with versions."""
    pip = venv / "bin" / "pip"
    subprocess.run([pip, "install", "--quiet", "--upgrade", *wanted], check=True)
    done = subprocess.run([pip, "freeze", "--all"], check=True, capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if not line.startswith(NOT_PINNED)]


def _write(path: Path, lines: list[str]) -> None:
    """Below the comment that it begins with."""
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    path.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
