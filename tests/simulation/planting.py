"""A copy of the source with a fault planted in it, so that the checks can show that they see it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("engine", "states", "journal", "adapters")
NOT_COPIED = (".git", ".venv", "build", "dist", "*.egg-info", ".hypothesis", ".*_cache")
PATCHES = Path(__file__).parent / "mutants"
"""The faults on file, one patch each; what stands above the first `diff` line says what it breaks."""


class DoesNotApply(Exception):
    """The patch fits nothing here."""


@contextlib.contextmanager
def copied() -> Iterator[Path]:
    """A folder with all that the tests need; it is gone after the block. What is compiled comes along."""
    with tempfile.TemporaryDirectory(prefix="rpd-mutant-", ignore_cleanup_errors=True) as name:
        copy = Path(name)
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED), dirs_exist_ok=True)
        links = copy / "build" / "links" / "rpd"
        links.mkdir(parents=True)
        for room in ROOMS:
            (links / room).symlink_to(copy / room)
        (links / "__init__.py").symlink_to(copy / "adapters" / "face" / "__init__.py")
        yield copy


@contextlib.contextmanager
def planted(patch: Path) -> Iterator[Path]:
    """Such a folder, the patch applied. Raises DoesNotApply."""
    with copied() as copy:
        _apply(patch, copy)
        yield copy


def run_in(copy: Path, arguments: Sequence[str], *, quiet: bool) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS` with the source of `copy`, on this terminal unless `quiet`."""
    pipe = subprocess.PIPE if quiet else None
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=copy, env=environment(copy), check=False, text=True, stdout=pipe, stderr=pipe)


def environment(copy: Path) -> dict[str, str]:
    """In which Python finds the source of `copy`."""
    return {**os.environ, "PYTHONPATH": f"{copy / 'build' / 'links'}{os.pathsep}{copy}"}


def find_patch(name: str) -> Path:
    """A patch on file by its name, or any other by its path. Raises DoesNotApply."""
    for path in (PATCHES / f"{name}.patch", Path(name)):
        if path.is_file():
            return path.resolve()
    known = ", ".join(sorted(path.stem for path in PATCHES.glob("*.patch")))
    raise DoesNotApply(f"there is no patch {name!r}; on file are: {known}")


def title(patch: Path) -> str:
    """The first line of what it says of itself, else its name."""
    first = patch.read_text().lstrip().splitlines()[0] if patch.stat().st_size else ""
    return patch.stem if first.startswith(("diff ", "--- ")) or not first else first


def check_applies(patch: Path) -> None:
    """Raises DoesNotApply when it does not fit the source as it stands."""
    _apply(patch, ROOT, "--check")


def _apply(patch: Path, copy: Path, *options: str) -> None:
    # Outside of any repository: else git would take the paths from the top of the one around.
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    done = subprocess.run(
        ["git", "apply", "--recount", "--verbose", *options, str(patch)],
        cwd=copy,
        env=env,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise DoesNotApply(f"{patch.name} does not apply: {done.stderr.strip()}")
