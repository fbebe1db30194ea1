"""What a terminal is shown more than a file."""

from __future__ import annotations

import re

import pytest

from rpd.adapters.report.paint import has_colour, painted

LONG = (
    "error: the pod's disk is full and nothing more can be written to it; see /workspace/a/long/path/of/a/file.bin now"
)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("succeeded in 8.0 s; $0.01 (est.)", "32"),
        ("failed (job_failed), exit code 3 in 8.0 s; $0.01 (est.)", "1;31"),
        ("lost (pod_vanished) in 1 m 02 s; $0.01 (est.)", "1;31"),
        ("cancelled (interrupted) in 3.0 s; $0.00 (est.)", "33"),
        ("BILLING: pod abc at $0.40/h", "1;31"),
        ("error: there is no job file x.yaml", "1;31"),
        ("warning: args: so", "33"),
    ],
)
def test_verdict_bill_and_error_have_colour(line: str, code: str) -> None:
    shown = painted(line, 200, colour=True)
    assert shown.startswith(f"\x1b[{code}m") and shown.count("\x1b[0m") == 1
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == line
    assert painted(line, 200, colour=False) == line


@pytest.mark.parametrize(
    "line", ["failed to do it", "the pod is BILLING", "  succeeded in 3 s", "lost+found", "errors: 3"]
)
def test_other_words_have_none(line: str) -> None:
    assert painted(line, 200, colour=True) == line


@pytest.mark.parametrize("width", [40, 57, 80, 119])
def test_lines_break_between_words(width: int) -> None:
    rows = painted(LONG, width, colour=False).split("\n")
    assert " ".join(row.strip() for row in rows) == LONG, "no word is broken, and none is lost"
    assert all(len(row) <= width or " " not in row.strip() for row in rows)
    assert all(row.startswith("       ") for row in rows[1:]), "beside the label"


def test_columns_are_kept_beside_a_broken_text() -> None:
    line = "     1.0 s    14  renting a pod in any data center at about nothing an hour"
    rows = painted(line, 50, colour=False).split("\n")
    assert len(rows) > 1 and rows[1].startswith(" " * 18) and not rows[1].startswith(" " * 19)


def test_a_terminal_too_narrow_breaks_by_itself() -> None:
    assert painted(LONG, 20, colour=False) == LONG


def test_no_color_takes_the_colour() -> None:
    assert has_colour({}) and has_colour({"NO_COLOR": ""}) and not has_colour({"NO_COLOR": "1"})
