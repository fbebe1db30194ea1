"""`rpd metrics`: the samples of a run, one line per quantity, each GPU separately."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from rpd.adapters.forensics.run import METRICS_NAME, metrics_file
from rpd.adapters.forensics.samples import BLOCKS, Samples, Series, read_samples, sparkline
from rpd.adapters.local.clock import SystemClock
from rpd.adapters.report.words import duration, one_line, plural, size
from rpd.adapters.runs.finding import loaded_run
from rpd.adapters.terminal import output

WORDS: dict[str, str] = {
    "util_pct": "use",
    "mem_used_mb": "memory",
    "temp_c": "heat",
    "power_w": "power",
    "cpu_user_pct": "cpu",
    "host_mem_used_mb": "memory",
    "workspace_disk_used_bytes": "disk",
    "net_rx_bytes_per_sec": "net in",
    "net_tx_bytes_per_sec": "net out",
}
LABEL_WIDTH = 14
LINE_MIN, LINE_MAX = 10, 60
WIDTH_OFF_TERMINAL = 100
ASCII_BLOCKS = "_.-=+*%#"
"""For an output that cannot show block elements."""


def show_metrics(run: str | None, *, as_json: bool) -> int:
    """Exit code 0, also if there are no samples: many runs are too short for them."""
    loaded = loaded_run(run)
    row = loaded.row(SystemClock().now())
    folder = loaded.files_folder()
    samples = read_samples(metrics_file(folder)) if folder is not None else Samples([], 0)
    series = samples.series()
    if as_json:
        output.answer(_document(row.run_id, samples, series))
        return 0
    count, seconds = len(samples.rows), samples.seconds
    over = f" over {duration(seconds)}" if seconds is not None and count > 1 else ""
    head = one_line(f"{row.run_id}  {plural(count, 'sample')}{over}")
    output.text([head, "", *_lines(series)] if series else [head])
    if not series:
        output.note([f"nothing was sampled: there is nothing in {metrics_file(folder or Path())}"])
    if samples.bad_lines:
        output.note([f"warning: {plural(samples.bad_lines, 'line')} of {METRICS_NAME} could not be read"])
    return 0


def _document(run_id: str, samples: Samples, series: list[Series]) -> dict[str, Any]:
    return {
        "schema": "rpd.metrics/1",
        "run_id": run_id,
        "samples": len(samples.rows),
        "bad_lines": samples.bad_lines,
        "seconds": samples.seconds,
        "series": [
            {"name": each.name, "unit": each.unit, "gpu": each.gpu, "ceiling": each.ceiling}
            | {**each.summary(), "values": each.values}
            for each in series
        ],
    }


def _lines(series: list[Series]) -> list[str]:
    figures_width = max(len(_figures(each)) for each in series) + 2
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_OFF_TERMINAL
    width = columns - LABEL_WIDTH - figures_width
    room = max(LINE_MIN, min(LINE_MAX, width))
    lines, before = [], series[0].gpu
    for each in series:
        if each.gpu != before:
            lines.append("")
        before = each.gpu
        graph = _shown(sparkline(each.values, room, ceiling=each.ceiling))
        lines.append(f"{_label(each):<{LABEL_WIDTH}}{graph:<{room}}  {_figures(each)}".rstrip())
    return lines


def _shown(graph: str) -> str:
    try:
        BLOCKS.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return graph.translate(str.maketrans(BLOCKS, ASCII_BLOCKS))
    return graph


def _label(series: Series) -> str:
    what = WORDS.get(series.name, series.name)
    return f"gpu {series.gpu} {what}" if series.gpu is not None else f"pod {what}"


def _figures(series: Series) -> str:
    found = series.summary()
    mean, most = (_figure(found[name], series) for name in ("mean", "max"))
    of = f" of {_figure(series.ceiling, series)}" if series.ceiling is not None and series.unit != "%" else ""
    return f"mean {mean}, max {most}{of}"


def _figure(value: float | None, series: Series) -> str:
    if value is None:
        return "?"
    if series.unit == "B":
        return size(int(value)) + ("/s" if series.name.endswith("_per_sec") else "")
    if series.unit == "MB":
        return size(int(value * 1_000_000))
    return f"{value:.0f} {series.unit}"
