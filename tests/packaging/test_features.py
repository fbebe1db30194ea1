"""The feature table tells of what a test did, also when it failed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MARKED = """
import pytest

@pytest.mark.row(8)
def test_shows_it() -> None: ...

@pytest.mark.row(8, 9)
def test_fails() -> None:
    raise AssertionError
"""


def test_a_failed_test_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "test_marked.py").write_text(MARKED)
    told = tmp_path / "told.json"
    words = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-c", str(REPOSITORY / "pyproject.toml"), "-q"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *words, f"--features={told}", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    rows = json.loads(told.read_text())
    assert {row: [each["outcome"] for each in tests] for row, tests in rows.items()} == {
        "8": ["failed", "passed"],
        "9": ["failed"],
    }
