"""Which test files are nearest to a source file: those called like it, those that import it, those in its room, and
last those that start whole commands. `python -m tests.plants.nearest FILE...` lists them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

FAR = {"contract": 5, "simulation": 5, "sandbox": 10, "scenarios": 10, "packaging": 20, "plants": 20}
"""Folders of tests that take long for what they say of one file."""


def nearest(files: Iterable[str], root: Path) -> list[str]:
    """All test files, the nearest to any of `files` first; paths are relative to `root`."""
    sources = [path for file in files if (path := Path(file)).parts[0] != "tests"]
    tests = sorted((root / "tests").rglob("test_*.py"))
    distance = {test: min((_distance(source, test, root) for source in sources), default=0) for test in tests}
    return [str(test.relative_to(root)) for test in sorted(tests, key=lambda test: (distance[test], test))]


def _distance(source: Path, test: Path, root: Path) -> int:
    folders = test.relative_to(root / "tests").parent.parts
    text = test.read_text()
    module = "rpd." + ".".join(source.with_suffix("").parts)
    package, _, stem = module.rpartition(".")
    is_imported = re.search(rf"\b{re.escape(module)}\b|from {re.escape(package)} import [^\n]*\b{stem}\b", text)
    near = 4 * (test.stem == f"test_{stem}") + 3 * bool(is_imported) + 2 * (folders == source.parent.parts)
    near += bool(set(folders) & set(source.parts)) + (stem in text)
    return FAR.get(folders[0], 0) - near if folders else FAR["packaging"]


if __name__ == "__main__":
    print("\n".join(nearest(sys.argv[1:], Path(__file__).resolve().parents[2])))
