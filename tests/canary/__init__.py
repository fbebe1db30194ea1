"""No credential is left anywhere: after each test, every file that it wrote is searched for keys of the sandbox.

Each sandbox makes an account key of its own (`sbx_` and 40 digits), and one for each pod (`rps_` and 40 digits). So a
key in a journal, log, manifest, cache, captured screen or list of started processes is found whoever wrote it there. In
tests that call the real command, `argv.log` has the words of every process that Python starts.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ARGV_LOG = "argv.log"
HOOK = Path(__file__).parent / "hook"
"""A folder for PYTHONPATH: its `sitecustomize` records what a process starts."""

ACCOUNT = re.compile(rb"sbx_[0-9a-f]{40}")
POD = re.compile(rb"rps_[0-9a-f]{40}")
PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
KEY_FILES = frozenset({"api_key", "config.toml", "daemon.json"})
"""Names of the files in which an account key may stand. They are for their owner alone."""
SANDBOX_FILE = "starts.tsv"
"""It lies in the home of a sandbox, which hands out the keys of pods, and so keeps them."""


def found_in(folder: Path) -> list[str]:
    """Each file below this folder with a credential that does not belong there, and what it is."""
    return [f"{path.relative_to(folder)}: {what}" for path in _files(folder) for what in _credentials(path)]


def is_clean(text: str) -> bool:
    """Whether this text has no key of an account."""
    return ACCOUNT.search(text.encode(errors="replace")) is None


def _credentials(path: Path) -> Iterator[str]:
    mode = path.stat().st_mode
    try:
        with path.open("rb") as file:
            for start, end in _written(file.fileno()):
                with mmap.mmap(file.fileno(), end - start, access=mmap.ACCESS_READ, offset=start) as content:
                    if ACCOUNT.search(content) and (path.name not in KEY_FILES or mode & 0o077):
                        yield f"the key of an account (mode {mode & 0o777:o})"
                    if POD.search(content) and not any((each / SANDBOX_FILE).exists() for each in path.parents):
                        yield "the key of a pod"
                    if PRIVATE.search(content) and mode & 0o077:
                        yield f"a private key (mode {mode & 0o777:o})"
    except (OSError, ValueError):
        return  # it is gone, or cannot be read


def _written(file: int) -> Iterator[tuple[int, int]]:
    """The parts of an open file that were written. A hole of gigabytes takes minutes to search, and holds nothing."""
    size, end = os.fstat(file).st_size, 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError:
            return  # a hole up to the end
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start - start % mmap.ALLOCATIONGRANULARITY, end


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        try:
            if stat.S_ISREG(path.lstat().st_mode):
                yield path
        except OSError:
            continue


class Canary:
    """The plugin."""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Any:
        """Search the test's folder after all its fixtures have ended."""
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        yield
        if isinstance(folder, Path) and folder.is_dir() and item.get_closest_marker("keeps_keys") is None:
            leaks = found_in(folder)
            assert not leaks, "credentials were left in\n" + "\n".join(leaks)
