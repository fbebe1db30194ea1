"""A command line for each test; see harness.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The modules of this folder import each other as `tests.scenarios.*`, whichever way pytest was started.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.scenarios import sandbox_launcher
from tests.scenarios.harness import CommandLine, staged


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    """A state home and a sandbox of its own, ended after the test."""
    with staged(tmp_path) as made:
        yield made


def pytest_sessionfinish() -> None:
    sandbox_launcher.close()
