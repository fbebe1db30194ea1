"""How much of a job's log was printed before a moment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rpd.adapters.forensics.log_times import printed_before

NOW = 1_800_000_000.0


def sampled(folder: Path, *sizes: tuple[float, int | None], log: str = "0123456789") -> Path:
    """A log that was written to just now, and samples of its size so many seconds ago."""
    path = folder / "run.log"
    path.write_text(log)
    os.utime(path, (NOW, NOW))
    (folder / "telemetry").mkdir()
    rows = [json.dumps({"wall": NOW - age, "log_bytes": size}) for age, size in sizes]
    (folder / "telemetry" / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("age", "skipped"),
    [(60.0, 4), (100.0, 4), (150.0, 2), (1000.0, None), (-1.0, 10)],
    ids=["between", "at a sample", "earlier", "before all", "nothing since"],
)
def test_the_last_sample_before_it_says_so(tmp_path: Path, age: float, skipped: int | None) -> None:
    log = sampled(tmp_path, (200.0, 2), (100.0, 4), (50.0, 8))
    assert printed_before(tmp_path, log, NOW - age) == skipped


def test_a_sample_without_a_size_and_a_shorter_copy(tmp_path: Path) -> None:
    log = sampled(tmp_path, (200.0, 2), (100.0, None), (90.0, 50))
    assert printed_before(tmp_path, log, NOW - 95.0) == 2
    assert printed_before(tmp_path, log, NOW - 80.0) == 10, "no more than is here"


def test_nothing_is_known_without_a_log(tmp_path: Path) -> None:
    assert printed_before(tmp_path, tmp_path / "run.log", NOW) is None
