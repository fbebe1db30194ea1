"""Which rows of the feature table a test shows, and whether it did anything that could show them: `--features FILE`
writes both down for tests/features.md."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

ROWS, USED = "rows", "used"
STRONG = frozenset(
    "run resume inspect gc cancel release logs runs events summary compare cost metrics volumes api "  # noqa: SIM905
    "config doctor connect shell exec tunnel pull push ssh-config pods pod top completion".split()
)
"""Commands that work on runs, pods or settings; a test that uses none of them shows little."""

used: set[str] = set()
"""What the present test has used: commands of `rpd`, and "api" for the Python face."""


class Features:
    """The plugin. Workers send what they found with their reports."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        used.clear()
        rows = sorted({row for mark in item.iter_markers("row") for row in mark.args})
        if rows:
            item.user_properties.append((ROWS, rows))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        if call.when == "call" and any(name == ROWS for name, _ in item.user_properties):
            item.user_properties.append((USED, sorted(used)))
        yield


def write(path: Path, reports: list[pytest.TestReport]) -> None:
    """Row to the tests that show it, with their outcome."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for report in reports:
        told = dict(report.user_properties)
        for row in told.get(ROWS, ()):  # type: ignore[attr-defined]
            is_weak = not STRONG & set(told.get(USED, ()))  # type: ignore[call-overload]
            found[row].append({"test": report.nodeid, "outcome": report.outcome, "weak": is_weak})
    rows = {str(row): sorted(tests, key=lambda each: str(each["test"])) for row, tests in sorted(found.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n")
