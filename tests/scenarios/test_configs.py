"""Job files as their users write them: whole ones of every kind, unchanged under `rpd`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.spec.jobfile import LoadedJob, load_job
from tests.scenarios.harness import IMAGE, CommandLine

EXAMPLES = Path(__file__).parents[2] / "examples"

HELLO = """\
# The smallest that does something.
schema_version: 2
name: greet
run_id_prefix: greet
state_file: "~/.pods/greet.json"
local:
  project_root: .
pod:
  image: IMAGE
  datacenters: [EUR-IS-1]
  gpu_order: [NVIDIA L4, NVIDIA RTX A5000]
storage:
  mode: ephemeral
  volume_mount: /workspace
  volume_gb: 10
ssh:
  key_path: ~/.ssh/id_ed25519
budget:
  cost_cap_usd: 0.5
  assumed_hourly_rate_usd: 0.45
run:
  script_path: "{volume_mount}/greet.sh"
  log_path: "{volume_mount}/greet.log"
  success_marker: "[greet] DONE"
  body: |
    set -euo pipefail
    nvidia-smi -L
    mkdir -p {volume_mount}/out
    echo hello > {volume_mount}/out/hello.txt
    echo "[greet] DONE"
artifacts:
  - label: greeting
    remote_path: "{volume_mount}/out"
    local_path: "{run_dir}/greeting"
lifecycle:
  on_success: delete
  on_failure: stop
"""

SWEEP = """\
schema_version: 2
name: sweep-{seed}-{lr}
run_id_prefix: sweep-s{seed}
state_file: ~/.pods/sweep.json
variables:
  seed: "0"
  lr: "1e-4"
  work: "{volume_mount}/sweep"
  log: "{work}/s{seed}.log"
local:
  required_paths: [train.py]
pod:
  image: IMAGE
  datacenters: [EUR-IS-1, EU-RO-1]
  gpu_order: [NVIDIA L4]
  gpu_count: 1
storage: {mode: ephemeral, volume_gb: 20}
budget: {cost_cap_usd: 1.0, max_runtime_minutes: 10, poll_interval_sec: 5, ssh_ready_timeout_sec: 300}
remote_env:
  exports: {SEED: "{seed}", LR: 1e-4}
staging:
  - {label: code, source: ., destination: "{work}/src", excludes_default: true, excludes_extra: [artifacts/]}
preflight:
  - {command: "test $SEED = {seed}", with_env: true, timeout_sec: 60}
run:
  script_path: "{work}/run.sh"
  log_path: "{log}"
  success_marker: TRAINING_DONE
  failure_markers: ["RuntimeError: CUDA", "loss is nan"]
  body: |
    set -euo pipefail
    echo "__RUNPOD_STEP_START__train__"
    cd {work}/src
    python3 train.py --seed {seed} --lr "$LR" --out {work}/out
    for shard in {0..2}; do echo "${shard} of ${SEED}"; done
    awk '{ print $1 }' {work}/out/metrics.txt
    echo "__RUNPOD_STEP_DONE__train__"
    echo "Killed 0 stale workers"
    echo TRAINING_DONE
artifacts:
  - {label: metrics, remote_path: "{work}/out", local_path: "{run_dir}/out", excludes: ["*.ckpt"]}
  - {label: plots, remote_path: "{work}/plots", local_path: "{run_dir}/plots", required: false, delete: false}
lifecycle: {on_success: delete, on_failure: delete}
"""

NETWORK = """\
schema_version: 2
name: cached
pod:
  image: IMAGE
  datacenters: [EUR-IS-1]
  gpu_order: [NVIDIA L4]
  container_disk_gb: 30
  ports: ["8888/http", "22/tcp"]
storage:
  mode: network_volume
  volume_name: shared
  volume_mount: /runpod-volume
remote_env:
  source_files: ["{volume_mount}/env.sh"]
  exports: {UV_LINK_MODE: copy}
setup:
  - command: |
      mkdir -p {volume_mount}/cache
      echo 'export FROM_FILE=1' > {volume_mount}/env.sh
staging:
  - {label: payload, source: payload, destination: "{volume_mount}/payload", delete: false}
run:
  script_path: "{volume_mount}/job.sh"
  log_path: "{volume_mount}/job.log"
  success_marker: ALL GOOD
  body: |
    set -e
    test "$FROM_FILE" = 1
    test "$UV_LINK_MODE" = copy
    cat {volume_mount}/payload/a.txt >> {volume_mount}/cache/all.txt
    echo ALL GOOD
artifacts:
  - {label: all, remote_path: "{volume_mount}/cache/all.txt", local_path: "{run_dir}/all.txt"}
"""

CONSUMER = """\
schema_version: 2
name: eval
variables: {split: test}
local: {project_root: "..", required_paths: [pyproject.toml]}
pod:
  image: ghcr.io/team/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  datacenters: [US-KS-2, EU-RO-1]
  gpu_order: [NVIDIA H100 80GB HBM3, NVIDIA A100-SXM4-80GB, NVIDIA RTX A6000]
  cloud_type: COMMUNITY
  spot: false
  min_vcpu_count: null
  ports: [22/tcp, 8080/http, 6006/http]
storage: {mode: ephemeral, volume_gb: 100}
budget: {cost_cap_usd: 25.0, assumed_hourly_rate_usd: 4.18}
setup:
  - command: apt-get update -qq && apt-get install -y -qq rsync
    timeout_sec: 300
  - command: |
      set -euo pipefail
      curl -LsSf https://astral.sh/uv/install.sh | sh
      cat > /root/check.json <<'JSON'
      {"a": {"b": [1, 2]}, "c": "${HOME}"}
      JSON
preflight:
  - {command: "cd {volume_mount}/repo && uv sync --frozen", timeout_sec: 1800, with_env: true}
remote_env:
  source_files: [/root/.bashrc]
  exports: {UV_CACHE_DIR: /root/.cache/uv, HF_HOME: "{volume_mount}/hf", PYTHONUNBUFFERED: 1}
staging:
  - label: repo
    source: "{project_root}"
    destination: "{volume_mount}/repo"
    excludes: [data/raw/, "*.ipynb", artifacts/]
    excludes_default: true
    delete: true
run:
  script_path: "{volume_mount}/run_{split}.sh"
  log_path: "{volume_mount}/run_{split}.log"
  success_marker: "[eval] DONE"
  failure_markers: [Traceback, OutOfMemoryError, CUDA out of memory, No space left on device, Killed]
  body: |
    set -euo pipefail
    export PATH="$HOME/.local/bin:${PATH}"
    cd {volume_mount}/repo
    python - <<'PY'
    d = {"x": 1}
    print(f"{d['x']:.2f} {{d}}")
    PY
    uv run python -m app.eval --split {split} --out {volume_mount}/preds.jsonl
    find . -name '*.tmp' -exec rm {} \\;
    echo "[eval] DONE"
artifacts:
  - {label: predictions, remote_path: "{volume_mount}/preds.jsonl", local_path: "{run_dir}/preds.jsonl", required: true}
lifecycle: {on_success: recycle, on_failure: stop}
"""

FILES = {"hello": HELLO, "sweep": SWEEP, "network": NETWORK, "consumer": CONSUMER}


def written(folder: Path, name: str) -> Path:
    """The file with what it needs around it."""
    (folder / "payload").mkdir(exist_ok=True)
    (folder / "payload/a.txt").write_text("a\n")
    (folder / "train.py").write_text(
        "import argparse, pathlib\n"
        "p = argparse.ArgumentParser()\n"
        "[p.add_argument(n) for n in ('--seed', '--lr', '--out')]\n"
        "a = p.parse_args()\n"
        "pathlib.Path(a.out).mkdir(parents=True)\n"
        "pathlib.Path(a.out, 'metrics.txt').write_text(f'{a.seed} {a.lr}\\n')\n"
        "pathlib.Path(a.out, 'big.ckpt').write_text('x')\n"
    )
    path = folder / f"{name}.yaml"
    path.write_text(FILES[name].replace("IMAGE", IMAGE))
    return path


def loaded(folder: Path, name: str, **variables: str) -> LoadedJob:
    return load_job(written(folder, name), variables=variables, environ={}, home=Path("/home/nobody"))


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_loads(tmp_path: Path, name: str) -> None:
    (tmp_path / "p").mkdir()
    job = loaded(tmp_path / "p", name).job
    assert job.schema_version == 2
    assert "22/tcp" in job.pod.ports


@pytest.mark.weak_point(21)
def test_what_the_shell_writes_in_braces_stays(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    job = loaded(tmp_path / "p", "consumer", split="val").job
    assert '{"a": {"b": [1, 2]}, "c": "${HOME}"}' in job.setup[1].command
    assert "print(f\"{d['x']:.2f} {d}\")" in job.run.body
    assert "-exec rm {} \\;" in job.run.body and "--split val --out /workspace/preds.jsonl" in job.run.body
    assert job.remote_env.exports["PYTHONUNBUFFERED"] == "1"
    assert job.staging[0].source == str(tmp_path)


DEFAULTS: dict[str, Any] = {
    "pod.cloud_type": "SECURE",
    "pod.ports": ("22/tcp",),
    "pod.container_disk_gb": 20,
    "pod.gpu_count": 1,
    "pod.spot": False,
    "pod.min_vcpu_count": None,
    "pod.min_memory_gb": None,
    "storage.volume_mount": "/workspace",
    "storage.volume_name": None,
    "budget.cost_cap_usd": 10.0,
    "budget.assumed_hourly_rate_usd": 1.65,
    "budget.max_runtime_minutes": None,
    "budget.poll_interval_sec": 60,
    "budget.ssh_ready_timeout_sec": 900,
    "remote_env.source_files": (),
    "remote_env.exports": {},
    "setup.0.timeout_sec": 600,
    "setup.0.with_env": False,
    "staging.0.excludes": (),
    "staging.0.excludes_extra": (),
    "staging.0.excludes_default": False,
    "staging.0.delete": True,
    "artifacts.0.required": True,
    "artifacts.0.excludes": (),
    "lifecycle.on_success": "delete",
    "lifecycle.on_failure": "stop",
    "variables": {},
    "local.required_paths": (),
    "run_id_prefix": "least",
}
LEAST = """\
schema_version: 2
name: least
pod: {image: i, datacenters: [D], gpu_order: [G]}
storage: {mode: ephemeral, volume_gb: 20}
setup: [{command: "true"}]
staging: [{label: s, source: s, destination: /workspace/s}]
run: {script_path: /workspace/r.sh, log_path: /workspace/r.log, success_marker: DONE, body: echo DONE}
artifacts: [{label: a, remote_path: /workspace/a, local_path: a}]
"""


@pytest.mark.parametrize("path", DEFAULTS)
def test_what_is_left_out_means_what_it_meant(tmp_path: Path, path: str) -> None:
    file = tmp_path / "j.yaml"
    file.write_text(LEAST)
    value: Any = load_job(file, environ={}, home=Path("/home/nobody")).job
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else getattr(value, part)
    assert value == DEFAULTS[path]


@pytest.mark.slow
@pytest.mark.row(8, 13, 21)
def test_each_is_validated_as_it_would_run(cli: CommandLine) -> None:
    (cli.folder / "jobs").mkdir()
    (cli.folder / "pyproject.toml").touch()
    (cli.user / ".ssh").mkdir(exist_ok=True)
    for name in FILES:
        path = written(cli.folder / "jobs", name)
        words = ("--var", "seed=3") if name == "sweep" else ()
        done = cli.rpd("validate", "--config", str(path), "--scan-consumer", *words)
        expected = "key_path" if name == "hello" else ""  # a key that is named has to be there
        assert (done.returncode == 0) is (name != "hello"), done.stderr
        assert expected in done.stderr


@pytest.mark.slow
@pytest.mark.row(8, 10, 11, 12, 45, 68, 80, 132)
def test_a_sweep_of_one_file(cli: CommandLine) -> None:
    written(cli.folder, "sweep")
    folders = set()
    for seed in ("1", "2"):
        done = cli.rpd("run", "--config", "sweep.yaml", "--sandbox", "--var", f"seed={seed}", "--print-run-dir")
        assert done.returncode == 0, done.stderr
        folder = Path(done.stdout.splitlines()[0].removeprefix("RUN_DIR="))
        folders.add(folder)
        assert folder.name.startswith(f"sweep-s{seed}-")
        assert (folder / "out/metrics.txt").read_text() == f"{seed} 1e-4\n"
        assert not (folder / "out/big.ckpt").exists()
    assert len(folders) == 2
    cli.judge("TERMINATED", "TERMINATED", starts=2)


@pytest.mark.slow
@pytest.mark.row(8, 45)
def test_the_examples_run(cli: CommandLine) -> None:
    shutil.copytree(EXAMPLES, cli.folder, dirs_exist_ok=True)
    cli.call("POST", "/v2/network-volumes", {"name": "shared", "size": 10, "dataCenter": "EUR-IS-1"})
    for name, words in (("sweep/sweep.yaml", ("--var", "seed=3")), ("network-volume/reuse.yaml", ())):
        done = cli.rpd("run", name, "--sandbox", *words)
        assert done.returncode == 0, done.stderr
    assert (cli.run_folder("reuse") / "sum.txt").read_text() == "500500\n"
    assert '"seed": 3' in (cli.run_folder("sweep-3") / "out/metrics.json").read_text()


@pytest.mark.slow
@pytest.mark.row(29, 46, 48, 64, 68, 93)
def test_a_network_volume_keeps_its_files_from_run_to_run(cli: CommandLine) -> None:
    written(cli.folder, "network")
    cli.call("POST", "/v2/network-volumes", {"name": "shared", "size": 10, "dataCenter": "EUR-IS-1"})
    for count in (1, 2):
        done = cli.rpd("run", "network.yaml", "--sandbox")
        assert done.returncode == 0, done.stderr
        assert (cli.run_folder() / "all.txt").read_text() == "a\n" * count
    cli.judge("TERMINATED", "TERMINATED", starts=2)
