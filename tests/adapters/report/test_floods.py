"""What came from a pod into files of this machine is read with little memory, whatever it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rpd.adapters.cli.reading import logs
from rpd.adapters.forensics import samples
from rpd.adapters.forensics.samples import Samples, read_samples, sparkline
from rpd.adapters.forensics.timeline import wall_of
from rpd.adapters.report.log_tail import LogTail
from tests.memory import MEGABYTE, little_memory


@pytest.mark.parametrize("size", [1, 5, 100, 1 << 20])
@pytest.mark.parametrize("text", [b"", b"\n", b"a", b"a\n", b"a\nb", b"a\nb\n", b"\n\n\n", b"one\ntwo\nthree\nfour\n"])
@pytest.mark.parametrize("lines", [1, 2, 3, 9])
def test_the_last_lines_begin_where_they_begin(
    tmp_path: Path, text: bytes, lines: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "CHUNK_BYTES", size)
    log = tmp_path / "run.log"
    log.write_bytes(text)
    assert text[logs._tail_offset(log, lines) :] == b"".join(text.splitlines(keepends=True)[-lines:])


def test_the_last_lines_of_a_long_log_need_little_memory(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    with log.open("wb") as file:
        file.write(b"first\n")
        file.seek(1 << 34)  # a hole
        file.write(b"\nlast\n")
    with little_memory(8 * MEGABYTE):
        assert logs._tail_offset(log, 1) == (1 << 34) + 1


@pytest.mark.parametrize("piece", [b"x", b"\n", b"\r", b"\x1b[", b"\xff", b"a\rb\n"])
def test_a_live_view_of_any_log_needs_little_memory(tmp_path: Path, piece: bytes) -> None:
    log = tmp_path / "run.log"
    tail = LogTail(log)
    log.write_bytes(piece * (MEGABYTE // 2 // len(piece)))

    with little_memory(64 * MEGABYTE):
        while tail.is_behind:
            assert all(len(line) <= 1 << 19 for line in tail.new_lines())


def test_samples_of_any_size_need_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "SAMPLES_BYTES_MAX", MEGABYTE)
    monkeypatch.setattr(samples, "ROWS_MAX", 1000)
    row = b'{"ts_utc":"2026-01-01T00:00:00Z","gpu_util_pct":5}\n'
    for text in (b"x" * 30 * MEGABYTE, b"[" * 20 * MEGABYTE, row * 200_000, b'{"a":[' + b"[]," * MEGABYTE + b"1]}\n"):
        path = tmp_path / "metrics.jsonl"
        path.write_bytes(text + b"\n" + row)
        with little_memory():
            found = read_samples(path)
        assert 1 <= len(found.rows) <= 1000 and found.rows[-1]["gpu_util_pct"] == 5


def test_of_a_row_only_what_can_be_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    gpus = [{"index": index * 1000, "util_pct": 7, "more": [1]} for index in range(50)]
    path.write_text(json.dumps({"wall": 1, "x": {"y": 1}, "gpus": gpus}) + '\nnot json\n[1]\n{"cut')
    found = read_samples(path)
    assert len(found.rows) == 1 and set(found.rows[0]) == {"wall", "gpus"} and found.bad_lines == 2
    assert len(found.gpus()) <= samples.GPUS_MAX and max(found.gpus()) < samples.GPUS_MAX
    assert found.gpu(0, "util_pct", "%").known == [7]


def test_numbers_beyond_all_measure_are_missing() -> None:
    rows = [{"net_rx_bytes": value, "ts_utc": f"2026-01-01T00:00:{at:02d}Z"} for at, value in enumerate([1, 1e308, 5])]
    found = Samples(rows, 0)
    assert all(abs(value) < 1e19 for series in found.series() for value in series.known)
    for odd in (10**400, float("nan"), float("inf"), "9" * 50):
        assert wall_of({"wall": odd, "ts_utc": "x"}) is None
    assert wall_of({"ts_utc": "0001-01-01T00:00:00"}) is None
    assert sparkline([1e18, 5.0, None], 10)
