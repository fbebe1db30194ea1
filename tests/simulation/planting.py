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

import msgspec

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("engine", "states", "journal", "adapters")
NOT_COPIED = (".git", ".venv", "build", "dist", "*.egg-info", ".hypothesis", ".*_cache")
FAULTS = Path(__file__).parent / "mutants.toml"
"""The faults on file."""


class DoesNotApply(ValueError):
    """The fault fits nothing here."""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`old`, which stands in `file` once, becomes `new`."""

    file: str
    old: str
    new: str

    def made_in(self, root: Path) -> str:
        """The file below `root` with it. Raises DoesNotApply."""
        source = (root / self.file).read_text()
        found = source.count(self.old)
        if found != 1:
            raise DoesNotApply(f"what is to be replaced stands {found} times in {self.file}: {self.old!r}")
        return source.replace(self.old, self.new)


class Mutant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault; `why` says what it breaks. One that is not on file has its `patch` instead of changes."""

    name: str
    why: str
    change: tuple[Change, ...] = ()
    patch: Path | None = None

    @property
    def files(self) -> list[str]:
        """The files that it touches."""
        if self.patch is None:
            return [change.file for change in self.change]
        marked = (line for line in self.patch.read_text().splitlines() if line.startswith("+++ b/"))
        return [line.removeprefix("+++ b/").split("\t")[0] for line in marked]

    def plant(self, root: Path) -> None:
        """Put it into the source below `root`. Raises DoesNotApply."""
        if self.patch is not None:
            _apply(self.patch, root)
        for change in self.change:
            (root / change.file).write_text(change.made_in(root))


class _OnFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mutant: tuple[Mutant, ...]


def mutants() -> dict[str, Mutant]:
    """All on file, by name."""
    on_file = msgspec.toml.decode(FAULTS.read_bytes(), type=_OnFile).mutant
    return {mutant.name: mutant for mutant in on_file}


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
def planted(mutant: Mutant) -> Iterator[Path]:
    """Such a folder, the fault in it. Raises DoesNotApply."""
    with copied() as copy:
        mutant.plant(copy)
        yield copy


def run_in(copy: Path, arguments: Sequence[str], *, quiet: bool) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS` with the source of `copy`, on this terminal unless `quiet`."""
    pipe = subprocess.PIPE if quiet else None
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=copy, env=environment(copy), check=False, text=True, stdout=pipe, stderr=pipe)


def environment(copy: Path) -> dict[str, str]:
    """In which Python finds the source of `copy`."""
    return {**os.environ, "PYTHONPATH": f"{copy / 'build' / 'links'}{os.pathsep}{copy}"}


def find_mutant(name: str) -> Mutant:
    """A fault on file by its name, or any other by the path of its patch. Raises DoesNotApply."""
    on_file = mutants()
    if name in on_file:
        return on_file[name]
    if Path(name).is_file():
        return Mutant(Path(name).stem, f"the patch {name}", patch=Path(name).resolve())
    raise DoesNotApply(f"there is no mutant {name!r}; on file are: {', '.join(sorted(on_file))}")


def _apply(patch: Path, copy: Path) -> None:
    # Outside of any repository: else git would take the paths from the top of the one around.
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    command = ["git", "apply", "--recount", "--verbose", str(patch)]
    done = subprocess.run(command, cwd=copy, env=env, check=False, capture_output=True, text=True)
    if done.returncode:
        raise DoesNotApply(f"{patch.name} does not apply: {done.stderr.strip()}")
