"""Job files of today's users run unchanged, whichever way the sandbox keeps pods apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.harness import CommandLine, staged

HELLO = Path(__file__).resolve().parents[2] / "examples" / "hello"

RECIPE = """\
# foo.yaml
name: my-benchmark
run_id_prefix: my-benchmark
state_file: ~/.runpod-my-benchmark-current   # IMPORTANT: per-config path

pod:
  image: runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04
  datacenters: [EUR-IS-1]
  gpu_order: [NVIDIA L4]

storage:
  mode: ephemeral
  volume_gb: 50

run:
  script_path: /workspace/run.sh
  log_path: /workspace/run.log
  success_marker: "[my-benchmark] DONE"
  body: |
    echo "[my-benchmark] DONE"

lifecycle:
  on_success: delete
  on_failure: stop
"""


@pytest.fixture(params=[pytest.param("namespace", marks=pytest.mark.slow), "rewritten"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CommandLine]:
    """A command line whose pods have a root of their own, or paths rewritten to their folder."""
    isolation = None if request.param == "namespace" else str(request.param)
    with staged(tmp_path, isolation=isolation) as made:
        yield made


@pytest.mark.row(8, 11)
def test_the_recipe_runs_unchanged(place: CommandLine) -> None:
    place.job(RECIPE, "foo.yaml")
    done = place.rpd("run", "foo.yaml", "--sandbox")
    assert done.returncode == 0, done.stderr
    place.judge("TERMINATED", starts=1)
    assert place.result("run.log") == "[my-benchmark] DONE\n"
    assert not (place.user / ".runpod-my-benchmark-current").exists()


@pytest.mark.slow
@pytest.mark.row(132)
def test_the_pointer_file_lives_as_long_as_the_pod(cli: CommandLine) -> None:
    gated = RECIPE.replace("  body: |\n", "  body: |\n    until [ -e /workspace/go ]; do sleep 0.05; done\n")
    cli.job(gated, "foo.yaml")
    live = cli.start("run", "foo.yaml", "--sandbox")
    live.until_text("job started")
    pointer = cli.user / ".runpod-my-benchmark-current"
    written = json.loads(pointer.read_text())
    assert written == {
        "journal": str(cli.journal),
        "pod_id": cli.live_pod()["id"],
        "gpu_id": "NVIDIA L4",
        "image": "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04",
        "datacenter_id": "EUR-IS-1",
    }
    assert cli.inspect(str(pointer))["run_id"] == cli.run_id
    cli.go()
    assert live.end() == 0, live.text
    assert not pointer.exists()


@pytest.mark.row(10, 64, 67)
@pytest.mark.slow
def test_hello_runs(place: CommandLine) -> None:
    shutil.copytree(HELLO, place.folder / "hello", ignore=shutil.ignore_patterns("artifacts"))
    done = place.rpd("run", "hello/hello.yaml", "--sandbox", "--var", "greeting=moin")
    assert done.returncode == 0, done.stderr
    place.judge("TERMINATED", starts=1)
    assert "moin" in place.result("results/greeting.txt")
