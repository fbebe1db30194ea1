"""`rpd metrics`: samples of several GPUs, of the older tool, with holes, and none at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rpd
from tests.adapters.forensics.peers import lines, peer_folder
from tests.features import used
from tests.scenarios.harness import CommandLine, config, staged

pytestmark = pytest.mark.xdist_group("metrics")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A good run that was sampled as here below."""
    with staged(tmp_path_factory.mktemp("sampled")) as cli:
        assert cli.run(config()).returncode == 0
        lines(
            cli.run_folder() / "metrics.jsonl",
            [row(second, second * 2, None if second < 20 else 100) for second in range(50)],
        )
        yield cli


def row(second: int, *utils: float | None) -> dict[str, Any]:
    gpus = [
        {"index": at, "util_pct": util, "mem_used_mb": 1000, "mem_total_mb": 80000, "temp_c": None, "power_w": 300}
        for at, util in enumerate(utils)
    ]
    return {
        "ts_utc": f"2026-05-14T12:00:{second:02d}Z",
        "gpu_util_pct": utils[0],
        "gpus": gpus,
        "cpu_user_pct": 25.0,
        "host_mem_used_mb": None,
        "workspace_disk_used_bytes": 5_000_000_000,
        "net_rx_bytes": second * 1000,
        "net_tx_bytes": None,
    }


@pytest.mark.slow
@pytest.mark.row(119, 129)
def test_a_line_per_quantity_and_gpu(past: CommandLine) -> None:
    done = past.rpd("metrics")
    assert done.returncode == 0, done.stderr
    first, _, *more = done.stdout.splitlines()
    assert first == f"{past.run_id}  50 samples over 49 s"
    shown = {line[:14].strip(): line[14:] for line in more if line}
    assert list(shown) == [
        "gpu 0 use", "gpu 0 memory", "gpu 0 power", "gpu 1 use", "gpu 1 memory", "gpu 1 power",
        "pod cpu", "pod disk", "pod net in",
    ]  # fmt: skip
    assert shown["gpu 0 use"].startswith("▁")
    assert "mean 49 %, max 98 %" in shown["gpu 0 use"]
    assert shown["gpu 1 use"].startswith(" "), "no sample is no zero"
    assert "█" in shown["gpu 1 use"]
    assert "of 80.0 GB" in shown["gpu 0 memory"]
    assert "mean 1.0 kB/s" in shown["pod net in"]


@pytest.mark.slow
@pytest.mark.row(119)
def test_the_same_as_data(past: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    used.add("api")
    monkeypatch.setenv("RPD_HOME", str(past.home))  # what a journal of another home names is not read
    found = json.loads(past.rpd("metrics", past.run_id, "--json").stdout)
    assert (found["schema"], found["samples"], found["seconds"]) == ("rpd.metrics/1", 50, 49.0)
    assert found["series"][0]["values"][:3] == [0, 2, 4]
    assert found["series"][3]["min"] == 100, "what is missing counts nowhere"
    for place in (past.journal, past.run_folder()):
        assert len(list(rpd.Run(place).metrics())) == 50


@pytest.mark.slow
@pytest.mark.row(119)
def test_an_older_folder_and_a_narrow_terminal(past: CommandLine, tmp_path: Path) -> None:
    folder = peer_folder(tmp_path / "r")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('not json\n{"half')
    found = json.loads(past.rpd("metrics", str(folder), "--json").stdout)
    assert [each["name"] for each in found["series"] if each["gpu"] == 0] == ["util_pct", "mem_used_mb", "temp_c"]
    assert found["bad_lines"] == 1
    live = past.start_on_terminal("metrics", str(folder))
    assert live.end() == 0
    assert max(map(len, live.text.splitlines())) <= 80, live.text
    assert "1 line of metrics.jsonl could not be read" in live.text


@pytest.mark.slow
@pytest.mark.row(119)
def test_a_run_without_samples(past: CommandLine, tmp_path: Path) -> None:
    folder = peer_folder(tmp_path / "r")
    (folder / "metrics.jsonl").unlink()
    done = past.rpd("metrics", str(folder))
    assert done.returncode == 0
    assert "0 samples" in done.stdout
    assert "nothing was sampled" in done.stderr
    assert past.rpd("metrics", "nothing").returncode == 2
