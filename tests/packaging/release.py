"""`make release`: build what a release has, try it in an environment of its own, and say what is left to do."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tests.packaging.wheel import ROOT, built_wheel

DIST = ROOT / "dist"
LEFT = """\
left to do, by a maintainer:
  git tag -s {tag} -m "rpd {version}"
  git push origin {tag}      # .github/workflows/release.yml tests, builds and publishes it
"""


def main(tag: str | None) -> int:
    """Exit code 1, with a sentence, when the release is not what it says. A step that fails raises an error."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    is_tagged = tag is not None
    if tag is not None and tag != f"v{version}":
        return _refused(f"the tag is {tag}, and pyproject.toml says {version}")
    if is_tagged and not re.search(rf"^## \[{re.escape(version)}\]", changes, re.MULTILINE):
        return _refused(f"CHANGELOG.md has no section [{version}]")
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    with tempfile.TemporaryDirectory(prefix="rpd-release-") as folder:
        wheel = Path(shutil.copy(built_wheel(Path(folder)), DIST))
        _try(wheel, version, Path(folder))
    print(f"built    {wheel.relative_to(ROOT)} ({name} {version}), installed and tried in a clean environment")
    if not is_tagged:
        print(LEFT.format(tag=f"v{version}", version=version), end="")
    return 0


def _try(wheel: Path, version: str, folder: Path) -> None:
    """Install it with its sandbox, and run a job from elsewhere, as a user would."""
    venv, home = folder / "venv", folder / "home"
    home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    clean = {"HOME": str(home), "PATH": f"{venv / 'bin'}{os.pathsep}{os.defpath}", "LANG": "C.UTF-8"}
    passed_on = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_")) or "proxy" in key}
    subprocess.run(
        [venv / "bin" / "pip", "install", "--quiet", f"{wheel}[sandbox]"], check=True, env={**passed_on, **clean}
    )
    rpd = venv / "bin" / "rpd"
    said = subprocess.run([rpd, "--version"], check=True, env=clean, cwd=home, capture_output=True, text=True).stdout
    if version not in said:
        raise SystemExit(f"error: the installed rpd says {said.strip()!r}, not {version}")
    shutil.copytree(ROOT / "examples" / "hello", home / "hello")
    try:
        subprocess.run([rpd, "run", "hello/hello.yaml", "--sandbox"], check=True, env=clean, cwd=home)
    finally:
        subprocess.run([rpd, "sandbox", "down"], check=False, env=clean, cwd=home)


def _refused(why: str) -> int:
    print(f"error: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("--tag", help="the tag that is being released; without one it is a rehearsal")
    sys.exit(main(parser.parse_args().tag or None))
