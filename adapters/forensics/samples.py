"""`metrics.jsonl`: the samples of a sampler in the pod, one row per interval. Any value may be missing."""

from __future__ import annotations

import itertools
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.forensics.timeline import wall_of
from rpd.journal import tolerant

SAMPLES_BYTES_MAX = 64 << 20
"""The most that the sampler writes. Of a longer file only the end is read."""
ROWS_MAX = 500_000
ROW_BYTES_MAX = 16 << 10
GPUS_MAX = 32
NAMES_MAX = 64
LARGEST = 1e18
"""No quantity is larger, so sums and rates of such numbers stay finite."""

PER_GPU: dict[str, str] = {
    "util_pct": "gpu_util_pct",
    "mem_used_mb": "gpu_mem_used_mb",
    "mem_total_mb": "gpu_mem_total_mb",
    "temp_c": "gpu_temp_c",
}
"""A value of one GPU -> its name in rows that describe only the first GPU."""


class Series(msgspec.Struct, frozen=True):
    """One quantity over time. `unit` is "%", "MB", "°C", "W" or "B". `values` has one entry per row, None if the
    sampler had no value. `ceiling` is the most that the quantity can be (100 for a percentage, the GPU's memory), if
    known."""

    name: str
    unit: str
    values: list[float | None]
    gpu: int | None = None
    ceiling: float | None = None

    @property
    def known(self) -> list[float]:
        """The values that are known."""
        return [value for value in self.values if value is not None]

    def summary(self) -> dict[str, float | None]:
        """Least, mean, most and last value. None if there is no value at all."""
        known = self.known
        if not known:
            return {"min": None, "mean": None, "max": None, "last": None}
        return {"min": min(known), "mean": round(sum(known) / len(known), 3), "max": max(known), "last": known[-1]}


class Samples(msgspec.Struct, frozen=True):
    """`rows` are the rows of the file, oldest first. `bad_lines` counts the lines that are not a JSON object."""

    rows: list[dict[str, Any]]
    bad_lines: int

    @property
    def seconds(self) -> float | None:
        """The time from the first row to the last. None if their times cannot be read."""
        first, last = (wall_of(self.rows[at]) for at in (0, -1)) if self.rows else (None, None)
        return None if first is None or last is None else max(0.0, last - first)

    def gpus(self) -> list[int]:
        """Indices of the GPUs that any row describes."""
        found = {index for row in self.rows for index in _gpus_of(row)}
        return sorted(found)

    def gpu(self, index: int, name: str, unit: str) -> Series:
        """One quantity of one GPU, by its name in a row's `gpus`."""
        values = [number(_gpus_of(row).get(index, {}).get(name)) for row in self.rows]
        ceiling = 100.0 if unit == "%" else self._memory(index) if name == "mem_used_mb" else None
        return Series(name, unit, values, index, ceiling)

    def _memory(self, index: int) -> float | None:
        totals = [number(_gpus_of(row).get(index, {}).get("mem_total_mb")) for row in self.rows]
        return max((total for total in totals if total is not None), default=None)

    def host(self, name: str, unit: str, of: str | None = None) -> Series:
        """One quantity of the whole pod. `of` names the field with the most that the quantity can be."""
        values = [number(row.get(name)) for row in self.rows]
        totals = [number(row.get(of)) for row in self.rows] if of is not None else []
        ceiling = 100.0 if unit == "%" else max((total for total in totals if total is not None), default=None)
        return Series(name, unit, values, None, ceiling)

    def series(self) -> list[Series]:
        """Everything worth a line, each GPU first. Quantities without a value in any row are left out."""
        found: list[Series] = []
        for index in self.gpus():
            for name, unit in (("util_pct", "%"), ("mem_used_mb", "MB"), ("temp_c", "°C"), ("power_w", "W")):
                found.append(self.gpu(index, name, unit))
        found += [
            self.host("cpu_user_pct", "%"),
            self.host("host_mem_used_mb", "MB", "host_mem_total_mb"),
            self.host("workspace_disk_used_bytes", "B", "workspace_disk_total_bytes"),
            self._rate("net_rx_bytes"),
            self._rate("net_tx_bytes"),
        ]
        return [series for series in found if series.known]

    def _rate(self, name: str) -> Series:
        """A counter as bytes per second between two rows. A counter that went back was started anew."""
        rates: list[float | None] = []
        before: tuple[float, float] | None = None
        for row in self.rows:
            at, count = wall_of(row), number(row.get(name))
            if at is None or count is None:
                rates.append(None)
                continue
            is_next = before is not None and at > before[0] and count >= before[1]
            rates.append((count - before[1]) / (at - before[0]) if is_next and before is not None else None)
            before = (at, count)
        return Series(f"{name.removesuffix('_bytes')}_bytes_per_sec", "B", rates)


def read_samples(path: Path) -> Samples:
    """Read the samples, tolerantly. A file that is missing or cannot be read has none."""
    rows: deque[dict[str, Any]] = deque(maxlen=ROWS_MAX)
    bad = 0
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - SAMPLES_BYTES_MAX))
            is_begun = file.tell() == 0
            while line := file.readline(ROW_BYTES_MAX):
                row = tolerant.decode(line) if is_begun else None
                if isinstance(row, dict):
                    rows.append(_kept(row))
                elif is_begun and line.endswith(b"\n"):  # else it is still being written
                    bad += 1
                is_begun = line.endswith(b"\n")  # else the next piece continues a line that is too long for a row
    except OSError:
        return Samples([], 0)
    return Samples(list(rows), bad)


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    """The usable part of a row. A row comes from a pod and may hold anything."""
    kept = _plain(row)
    gpus = row.get("gpus")
    if isinstance(gpus, list):
        kept["gpus"] = [_plain(gpu) if isinstance(gpu, dict) else None for gpu in gpus[:GPUS_MAX]]
    return kept


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    named = itertools.islice(values.items(), NAMES_MAX)
    return {name: value for name, value in named if value is None or isinstance(value, int | float | str)}


def number(value: Any) -> float | None:
    """A finite number from a file of any origin. None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if abs(found) <= LARGEST else None


def _gpus_of(row: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """What a row says of each GPU. A row without the list describes the first GPU, under other names."""
    listed = row.get("gpus")
    if isinstance(listed, list) and listed:
        found = {}
        for place, gpu in enumerate(listed):
            if isinstance(gpu, dict):
                index = gpu.get("index")
                found[index if isinstance(index, int) and 0 <= index < GPUS_MAX else place] = gpu
        return found
    first = {name: row.get(theirs) for name, theirs in PER_GPU.items()}
    return {0: first} if any(number(value) is not None for value in first.values()) else {}


BLOCKS = "▁▂▃▄▅▆▇█"
GAP = " "


def sparkline(values: list[float | None], width: int, *, ceiling: float | None = None) -> str:
    """At most `width` characters; each is the mean of its part of the values. The scale begins at 0 and ends at
    `ceiling`, or at the largest value if there is none. A part without any value is a gap."""
    cells = _cells(values, max(1, width))
    top = ceiling or max((cell for cell in cells if cell is not None), default=0.0)
    return "".join(GAP if cell is None else BLOCKS[_level(cell, top)] for cell in cells)


def _level(value: float, top: float) -> int:
    share = value / top if top > 0 else 0.0
    return max(0, min(len(BLOCKS) - 1, int(share * len(BLOCKS))))


def _cells(values: list[float | None], width: int) -> list[float | None]:
    if len(values) <= width:
        return list(values)
    cells: list[float | None] = []
    for cell in range(width):
        part = [v for v in values[cell * len(values) // width : (cell + 1) * len(values) // width] if v is not None]
        cells.append(sum(part) / len(part) if part else None)
    return cells
