"""Job files before they run: starters, migrations, schemas, estimates and plans."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.scenarios.stage import Stage, bare, config

V1 = """\
# my job
schema_version: 1   # old
name: old
pod:
  image: runpod/pytorch:2.4.0
  datacenter_id: EUR-IS-1  # one
  gpu_order: [NVIDIA L4]
storage: {mode: ephemeral, volume_gb: 20}
stop:
  on_success: true
  on_failure: true
run:
  body: echo hello
"""


COMMENTED = """\
stop:  # what becomes of it
  # a good one
  on_success: true  # saves money

  on_failure: 'false' # look first
# the job
"""


@pytest.fixture
def desk(tmp_path: Path) -> Stage:
    """A stage without a sandbox."""
    return bare(tmp_path)


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.row(8, 9)
def test_the_starter_file_is_valid_and_runs(stage: Stage) -> None:
    assert stage.rpd("init", "job.yaml").returncode == 0
    assert (stage.folder / "job.schema.json").exists()
    assert stage.rpd("init", "job.yaml").returncode == 2, "nothing is overwritten"
    assert stage.rpd("validate", "job.yaml").returncode == 0
    done = stage.run()
    assert done.returncode == 0, done.stderr
    assert stage.result() == "done\n"


@pytest.mark.row(9)
def test_an_old_file_is_migrated_with_its_comments(desk: Stage) -> None:
    path = desk.job(V1, "old.yaml")
    assert "rpd migrate" in desk.rpd("validate", "old.yaml").stderr
    shown = desk.rpd("migrate", "old.yaml")
    assert "-schema_version: 1   # old" in shown.stdout
    assert path.read_text() == V1, "only shown"
    assert desk.rpd("migrate", "old.yaml", "--write").returncode == 0
    new = path.read_text()
    assert "schema_version: 2   # old" in new
    assert "datacenters: [EUR-IS-1]  # one" in new
    assert "lifecycle:\n  on_success: stop\n  on_failure: stop\nrun:" in new
    assert desk.rpd("validate", "old.yaml").returncode == 0
    assert "up to date" in desk.rpd("migrate", "old.yaml").stderr


@pytest.mark.row(9)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (COMMENTED, COMMENTED.replace("stop:", "lifecycle:").replace("true", "stop").replace("'false'", "stop")),
        ("stop: {on_failure: yes} # kept\n", "lifecycle: {on_failure: stop} # kept\n"),
        ("stop:\n    on_success:   # nothing said\n", "lifecycle:\n    on_success: stop   # nothing said\n"),
    ],
)
def test_comments_in_a_block_that_has_another_name_now_are_kept(desk: Stage, old: str, new: str) -> None:
    around = "schema_version: {}\nname: old\npod: {{image: i, gpu_order: [G]}}\n{}run: {{body: x}}\n"
    path = desk.job(around.format(1, old), "old.yaml")
    done = desk.rpd("migrate", "old.yaml", "--write")
    assert done.returncode == 0, done.stderr
    assert path.read_text() == around.format(2, new)
    assert desk.rpd("validate", "old.yaml").returncode == 0


@pytest.mark.row(9)
@pytest.mark.parametrize(
    ("pod", "left"),
    [
        ("{image: i, spot: true, gpu_order: [G], min_memory_gb: 9}", "{image: i, gpu_order: [G], min_memory_gb: 9}"),
        ("{image: i, gpu_order: [G], spot: true}", "{image: i, gpu_order: [G]}"),
        (
            "\n  image: i # one\n  spot: true # cheap\n  gpu_order: [G]\n  min_vcpu_count: 4",
            "\n  image: i # one\n  gpu_order: [G]\n  min_vcpu_count: 4",
        ),
        ("{image: i, gpu_order: [G], spot: false}", "{image: i, gpu_order: [G], spot: false}"),
    ],
)
def test_wishes_that_were_never_kept_to_are_taken_out(desk: Stage, pod: str, left: str) -> None:
    def lines(version: int, pod: str) -> bytes:
        text = f"schema_version: {version}\nname: old\npod: {pod}\nrun:\n  body: x\n"
        return text.replace("\n", "\r\n").encode()

    path = desk.job("", "old.yaml")
    path.write_bytes(lines(1, pod))
    assert desk.rpd("migrate", "old.yaml", "--write").returncode == 0
    assert path.read_bytes() == lines(2, left)
    assert desk.rpd("validate", "old.yaml").returncode == 0


@pytest.mark.row(8)
def test_the_schema_describes_every_field_and_takes_what_rpd_takes(desk: Stage) -> None:
    schema = document(desk.rpd("schema", "job"))
    for name, struct in schema["$defs"].items():
        for field, spec in struct.get("properties", {}).items():
            assert "description" in spec, f"{name}.{field}"
    jsonschema.validate(config("echo hello", lifecycle={"on_success": "recycle"}), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config("echo hello", lifecycle={"on_succes": "stop"}), schema)
    assert document(desk.rpd("schema", "journal"))["anyOf"]
    assert desk.rpd("schema", "nothing").returncode == 2


@pytest.mark.row(32, 39, 44)
def test_an_estimate_counts_gpus_disks_boot_and_the_worst_case(stage: Stage) -> None:
    stage.job(config(pod={"gpu_count": 2}, budget={"max_usd": 4.0, "max_runtime_minutes": 60}))
    found = document(stage.rpd("estimate", "job.yaml", "--sandbox", "--json"))
    (choice,) = found["choices"]
    assert choice["usd_per_hour"] == pytest.approx(2 * 0.39, rel=0.2)
    assert choice["with_disks_usd_per_hour"] > choice["usd_per_hour"]
    assert found["boot_usd"] > 0
    assert found["most_usd"] == pytest.approx(choice["with_disks_usd_per_hour"])
    assert found["worst_usd"] > found["most_usd"]
    assert found["stopped_usd_per_month"] == pytest.approx(2.0)
    assert stage.statuses() == []
    stage.job(config(budget={"max_gpu_price_usd": 0.01}))
    assert stage.rpd("estimate", "job.yaml", "--sandbox").returncode == 6


@pytest.mark.slow
@pytest.mark.row(32, 44, 45)
def test_a_run_costs_what_was_estimated(stage: Stage) -> None:
    stage.job(config("nvidia-smi -L", pod={"gpu_count": 2, "container_disk_gb": 50}))
    found = document(stage.rpd("estimate", "job.yaml", "--sandbox", "--json"))
    done = stage.run()
    assert done.returncode == 0, done.stderr
    assert stage.result("run.log").count("GPU ") == 2
    assert stage.inspect()["pod"]["usd_per_hour"] == pytest.approx(found["choices"][0]["usd_per_hour"])
    assert found["choices"][0]["with_disks_usd_per_hour"] - found["choices"][0]["usd_per_hour"] == pytest.approx(
        (50 + 10) * 0.10 / 730, rel=0.01
    )


@pytest.mark.row(30)
def test_a_plan_does_everything_but_rent(stage: Stage) -> None:
    stage.job(config(setup=[{"command": "pip install x"}]))
    done = stage.rpd("run", "job.yaml", "--sandbox", "--plan")
    assert done.returncode == 0, done.stderr
    assert "run setup command 1: pip install x" in done.stdout
    assert "NVIDIA L4" in done.stdout
    assert stage.statuses() == []
    assert stage.journals() == []


@pytest.mark.row(21, 31)
@pytest.mark.parametrize("words", [["run", "job.yaml", "--plan", "--offline"], ["validate", "job.yaml", "--scan"]])
def test_offline_starts_no_process_and_opens_no_socket(desk: Stage, words: list[str]) -> None:
    desk.job(config(staging=[{"source": ".", "destination": "/workspace/src"}]))
    guard = (
        "import sys\n"
        "def refuse(event, args):\n"
        "    if event.startswith(('socket.', 'subprocess.', 'os.exec', 'os.fork', 'os.posix_spawn', 'os.system')):\n"
        "        raise SystemExit(f'forbidden: {event}')\n"
        "sys.addaudithook(refuse)\n"
        "from rpd.adapters.cli.app import main\n"
        f"sys.argv = {['rpd', *words, '--json']!r}\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", guard],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert document(done)["schema"] in ("rpd.plan/1", "rpd.validate/1")
    refused = subprocess.run(
        [sys.executable, "-c", guard.replace("--offline", "--sandbox")],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if words[0] == "run":
        assert "forbidden: " in refused.stderr, "the guard itself works"
