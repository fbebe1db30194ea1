"""Job files before they run: starters, migrations, schemas, estimates and plans."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.scenarios.harness import CommandLine, bare, config

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
def desk(tmp_path: Path) -> CommandLine:
    """A command line without a sandbox."""
    return bare(tmp_path)


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.row(8, 9)
def test_the_starter_file_is_valid_and_runs(cli: CommandLine) -> None:
    assert cli.rpd("init", "job.yaml").returncode == 0
    assert (cli.folder / "job.schema.json").exists()
    assert cli.rpd("init", "job.yaml").returncode == 2, "nothing is overwritten"
    assert cli.rpd("validate", "job.yaml").returncode == 0
    done = cli.run()
    assert done.returncode == 0, done.stderr
    assert cli.result() == "done\n"


@pytest.mark.row(9)
def test_an_old_file_is_migrated_with_its_comments(desk: CommandLine) -> None:
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
def test_comments_in_a_block_that_has_another_name_now_are_kept(desk: CommandLine, old: str, new: str) -> None:
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
def test_wishes_that_were_never_kept_to_are_taken_out(desk: CommandLine, pod: str, left: str) -> None:
    def lines(version: int, pod: str) -> bytes:
        text = f"schema_version: {version}\nname: old\npod: {pod}\nrun:\n  body: x\n"
        return text.replace("\n", "\r\n").encode()

    path = desk.job("", "old.yaml")
    path.write_bytes(lines(1, pod))
    assert desk.rpd("migrate", "old.yaml", "--write").returncode == 0
    assert path.read_bytes() == lines(2, left)
    assert desk.rpd("validate", "old.yaml").returncode == 0


@pytest.mark.row(8)
def test_the_schema_describes_every_field_and_takes_what_rpd_takes(desk: CommandLine) -> None:
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
def test_an_estimate_counts_gpus_disks_boot_and_the_worst_case(cli: CommandLine) -> None:
    cli.job(config(pod={"gpu_count": 2}, budget={"max_usd": 4.0, "max_runtime_minutes": 60}))
    found = document(cli.rpd("estimate", "job.yaml", "--sandbox", "--json"))
    (choice,) = found["choices"]
    assert choice["usd_per_hour"] == pytest.approx(2 * 0.39, rel=0.2)
    assert choice["with_disks_usd_per_hour"] > choice["usd_per_hour"]
    assert found["boot_usd"] > 0
    assert found["most_usd"] == pytest.approx(choice["with_disks_usd_per_hour"])
    assert found["worst_usd"] > found["most_usd"]
    assert found["stopped_usd_per_month"] == pytest.approx(2.0)
    assert cli.statuses() == []
    cli.job(config(budget={"max_gpu_price_usd": 0.01}))
    assert cli.rpd("estimate", "job.yaml", "--sandbox").returncode == 6


@pytest.mark.slow
@pytest.mark.row(32, 44, 45)
def test_a_run_costs_what_was_estimated(cli: CommandLine) -> None:
    cli.job(config("nvidia-smi -L", pod={"gpu_count": 2, "container_disk_gb": 50}))
    found = document(cli.rpd("estimate", "job.yaml", "--sandbox", "--json"))
    done = cli.run()
    assert done.returncode == 0, done.stderr
    assert cli.result("run.log").count("GPU ") == 2
    assert cli.inspect()["pod"]["usd_per_hour"] == pytest.approx(found["choices"][0]["usd_per_hour"])
    assert found["choices"][0]["with_disks_usd_per_hour"] - found["choices"][0]["usd_per_hour"] == pytest.approx(
        (50 + 10) * 0.10 / 730, rel=0.01
    )


@pytest.mark.row(30)
def test_a_plan_does_everything_but_rent(cli: CommandLine) -> None:
    cli.job(config(setup=[{"command": "pip install x"}]))
    done = cli.rpd("run", "job.yaml", "--sandbox", "--plan")
    assert done.returncode == 0, done.stderr
    assert "run setup command 1: pip install x" in done.stdout
    assert "NVIDIA L4" in done.stdout
    assert cli.statuses() == []
    assert cli.journals() == []


@pytest.mark.row(21, 31)
@pytest.mark.parametrize("words", [["run", "job.yaml", "--plan", "--offline"], ["validate", "job.yaml", "--scan"]])
def test_offline_starts_no_process_and_opens_no_socket(desk: CommandLine, words: list[str]) -> None:
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


TASK = """\
name: tune
resources: {accelerators: {RTXA4000: 1, L4: 1}, use_spot: true}
workdir: .
envs: {RATE: 1e-4, OUT: null}
secrets: {HF_TOKEN: null}
setup: |
  test "$RATE" = 1e-4 && cat note.txt && touch ready
run: |
  cd ~/sky_workdir
  test -e ready
  mkdir -p /workspace/out
  echo "$OUT $RATE $SKYPILOT_NUM_NODES ${#HF_TOKEN}" > /workspace/out/result.txt
"""


@pytest.mark.slow
def test_a_task_of_another_tool_runs(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    (cli.folder / "task.yaml").write_text(TASK)
    (cli.folder / "note.txt").write_text("here\n")
    done = cli.rpd("import", "task.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "wrote task.rpd.yaml\n"
    assert "no counterpart: line 2: resources.use_spot: true" in done.stderr
    assert "to be done: variables.OUT" in done.stderr
    monkeypatch.delenv("HF_TOKEN", raising=False)
    checked = cli.rpd("validate", "task.rpd.yaml", "--var", "OUT=first")
    assert checked.returncode == 0 and "export HF_TOKEN=..." in checked.stderr, checked.stderr
    text = (cli.folder / "task.rpd.yaml").read_text()
    result = 'artifacts: [{label: out, remote_path: "{volume_mount}/out", local_path: "{run_dir}/out"}]'
    assert f"# {result}" in text, "the comment is what is to be written"
    text = text.replace(f"# {result}", result)
    (cli.folder / "job.yaml").write_text(f"{text}telemetry: {{capture_remote_env: false}}\n")
    refused = cli.rpd("run", "job.yaml", "--sandbox", "--var", "OUT=first")
    assert refused.returncode == 2 and "HF_TOKEN is not set" in refused.stderr, refused.stderr
    monkeypatch.setenv("HF_TOKEN", "s3cret-token-0123456789")
    done = cli.rpd("run", "job.yaml", "--sandbox", "--var", "OUT=first")
    assert done.returncode == 0, done.stderr
    assert cli.result() == "first 1e-4 1 23\n"
    assert "s3cret-token-0123456789" not in cli.journal.read_text()


def test_what_an_import_writes(desk: CommandLine) -> None:
    (desk.folder / "two.yaml").write_text("name: a\nrun: ls\n---\nname: b\nrun: ls\n")
    assert desk.rpd("import", "two.yaml", "--out", "jobs").returncode == 0
    assert sorted(path.name for path in (desk.folder / "jobs").iterdir()) == ["two.1-a.rpd.yaml", "two.2-b.rpd.yaml"]
    again = desk.rpd("import", "two.yaml", "--out", "jobs")
    assert again.returncode == 2 and "exists" in again.stderr, "nothing is overwritten"
    assert desk.rpd("import", "two.yaml", "--out", "jobs", "--force").returncode == 0
    assert desk.rpd("import", "two.yaml", "-o", "x.yaml").returncode == 2, "two jobs are no one file"
    line = "runpodctl create pod --imageName a --gpuType 'NVIDIA L4'"
    shown = desk.rpd("import", line, "-o", "-")
    assert shown.returncode == 0 and "gpu_order: [NVIDIA L4]" in shown.stdout, shown.stderr
    told = document(desk.rpd("import", line, "--json"))
    assert [each["from"] for each in told["files"]] == ["runpodctl"]


@pytest.mark.parametrize(
    ("text", "tool"), [("run: ls\nresources: {cpus: 2}\n", "SkyPilot"), ("type: task\ncommands: [ls]\n", "dstack")]
)
def test_a_file_of_another_tool_is_told_as_such(desk: CommandLine, text: str, tool: str) -> None:
    (desk.folder / "other.yaml").write_text(text)
    for command in (["migrate"], ["validate"], ["run", "--sandbox"]):
        done = desk.rpd(*command, "other.yaml")
        assert done.returncode == 2, (command, done.stdout)
        assert tool in done.stderr and "rpd import other.yaml" in done.stderr, (command, done.stderr)
    assert "up to date" not in done.stdout + done.stderr
