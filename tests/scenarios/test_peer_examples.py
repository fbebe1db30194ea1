"""Job files in the style of the older tool's documentation (tests/data/peer_examples): each is taken as it is, with
every field of that schema in use, and what can't be had is refused with its reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rpd.adapters.access.keys import ssh_key
from rpd.adapters.run_folder.workspace import MANIFEST_NAME
from rpd.adapters.spec.error import SpecError
from rpd.adapters.spec.jobfile import load_text
from rpd.journal.records import Intent
from tests.scenarios.harness import CommandLine, bare

FOLDER = Path(__file__).parents[1] / "data" / "peer_examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
WORDS = {"sweep": ("--var", "seed=7", "--vars-file", "shard.json"), "eval": ("--var", "split=test")}
"""What is typed after the file's name."""

TRAIN = """\
import pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
(out / "checkpoints").mkdir(parents=True)
(out / "checkpoints" / "last.pt").write_text("weights")
(out / "checkpoints" / "half.tmp").write_text("half")
(out / "metrics.json").write_text("{}")
(out / "predictions.jsonl").write_text("[]")
(out / "loss.txt").write_text("0.1")
"""

WORDS_OF_THE_SCHEMA = (
    "schema_version name run_id_prefix state_file variables local.project_root local.required_paths pod.image "
    "pod.datacenters pod.gpu_order pod.cloud_type pod.ports pod.container_disk_gb pod.gpu_count pod.spot "
    "pod.min_vcpu_count pod.min_memory_gb pod.python_version storage.mode storage.volume_mount storage.volume_name "
    "storage.volume_gb ssh.key_path budget.cost_cap_usd budget.assumed_hourly_rate_usd budget.max_runtime_minutes "
    "budget.poll_interval_sec budget.ssh_ready_timeout_sec remote_env.source_files remote_env.exports setup.command "
    "setup.timeout_sec preflight.command preflight.timeout_sec preflight.with_env staging.label staging.source "
    "staging.destination staging.excludes staging.excludes_extra staging.excludes_default staging.delete secrets.name "
    "secrets.destination secrets.env secrets.file secrets.mode run.script_path run.log_path run.success_marker "
    "run.failure_markers run.body artifacts.label artifacts.remote_path artifacts.local_path artifacts.required "
    "artifacts.excludes artifacts.delete lifecycle.on_success lifecycle.on_failure telemetry.enabled "
    "telemetry.sample_interval_sec telemetry.capture_nvidia_smi telemetry.capture_dmesg "
    "telemetry.capture_pod_describe telemetry.capture_remote_env telemetry.capture_local_git "
    "telemetry.capture_payload_lockfile "
)
FIELDS = WORDS_OF_THE_SCHEMA.split()
"""Every field of the schema there is."""

DEFAULTS: dict[str, Any] = {
    "local.project_root": ".",
    "pod.cloud_type": "SECURE",
    "pod.ports": ["22/tcp"],
    "pod.container_disk_gb": 20,
    "pod.gpu_count": 1,
    "storage.mode": "ephemeral",
    "storage.volume_mount": "/workspace",
    "budget.cost_cap_usd": 10.0,
    "budget.assumed_hourly_rate_usd": 1.65,
    "budget.poll_interval_sec": 60,
    "budget.ssh_ready_timeout_sec": 900,
    "setup.timeout_sec": 600,
    "preflight.timeout_sec": 600,
    "preflight.with_env": False,
    "staging.excludes_default": False,
    "staging.delete": True,
    "secrets.mode": "0600",
    "run.failure_markers": [],
    "artifacts.required": True,
    "artifacts.delete": True,
    "lifecycle.on_success": "delete",
    "lifecycle.on_failure": "stop",
    "telemetry.enabled": True,
    "telemetry.sample_interval_sec": 30,
    **dict.fromkeys((name for name in FIELDS if name.startswith("telemetry.capture_")), True),
}

FREE = {"schema_version", "pod.spot", "pod.min_vcpu_count", "pod.min_memory_gb"}
"""Those with one value that can be had."""


def project(cli: CommandLine) -> None:
    """A user's project, keys and secrets around the files."""
    shutil.copytree(FOLDER, cli.folder, dirs_exist_ok=True)
    for name in ("src", "corpus", "settings", "data", "resnet-finetune-tmp", "jobs"):
        (cli.folder / name).mkdir()
    (cli.folder / "jobs/eval.yaml").write_bytes((FOLDER / "eval.yaml").read_bytes())
    (cli.folder / "eval.yaml").unlink()
    (cli.folder / "pyproject.toml").write_text('[project]\nname = "app"\n')
    (cli.folder / "src/train.py").write_text(TRAIN)
    (cli.folder / "corpus/a.txt").write_text("one\ntwo\n")
    (cli.folder / "settings/a.toml").touch()
    (cli.folder / "data/large.bin").touch()
    (cli.folder / "resnet-finetune-tmp/a").touch()
    (cli.folder / "shard.json").write_text('{"lr": "3e-4"}')
    (cli.user / ".netrc-runpod").write_text("machine x login y password zzzzzzzz\n")
    (cli.user / ".ssh").mkdir()
    made = ssh_key(None, cli.user / "made").private_path
    shutil.copy(made, cli.user / ".ssh/runpod_ed25519")
    shutil.copy(f"{made}.pub", cli.user / ".ssh/runpod_ed25519.pub")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The user's project without a cloud."""
    monkeypatch.setenv("HF_TOKEN", "not-a-real-token")
    monkeypatch.setenv("WANDB_API_KEY", "not-a-real-key-either")
    made = bare(tmp_path)
    project(made)
    return made


@pytest.fixture
def user(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The user's project, and the sandbox."""
    monkeypatch.setenv("HF_TOKEN", "not-a-real-token")
    monkeypatch.setenv("WANDB_API_KEY", "not-a-real-key-either")
    project(cli)
    return cli


def place(name: str) -> str:
    return "jobs/eval.yaml" if name == "eval" else f"{name}.yaml"


def ran(user: CommandLine, name: str, *more: str) -> Path:
    """A run of one file to its end, well; returns its folder."""
    done = user.rpd("run", "--config", place(name), "--sandbox", "--print-run-dir", *WORDS.get(name, ()), *more)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[0].removeprefix("RUN_DIR="))


def used_fields(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every field that a file names, with its value; items of a list are told without their number."""
    for key, item in value.items():
        path = f"{at}.{key}" if at else key
        inner = item if isinstance(item, list) else [item]
        if path in FIELDS:
            yield path, item
        else:
            for each in inner:
                yield from used_fields(each, path)


@pytest.mark.row(8, 10, 11)
@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_as_it_is(desk: CommandLine, name: str) -> None:
    done = desk.rpd("validate", "--config", place(name), "--check-local", *WORDS.get(name, ()))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"ok: {place(name)} (schema 2, job ")


def test_the_files_use_every_field_there_is_and_not_as_it_would_be_anyway() -> None:
    named: dict[str, list[Any]] = {}
    for path in FOLDER.glob("*.yaml"):
        for field, value in used_fields(yaml.safe_load(path.read_text())):
            named.setdefault(field, []).append(value)
    assert named.keys() == set(FIELDS)
    for field in set(FIELDS) - FREE:
        assert any(value != DEFAULTS.get(field) for value in named[field]), field


@pytest.mark.slow
def test_a_smoke_test(user: CommandLine) -> None:
    folder = ran(user, "minimal")
    assert (folder / "run.log").read_text().splitlines()[-1] == "[smoke] DONE"
    user.judge("TERMINATED", starts=1)


@pytest.mark.weak_point(24)
@pytest.mark.slow
@pytest.mark.row(64, 65, 67, 80, 90, 93)
def test_a_training_with_its_results_in_one_folder(user: CommandLine) -> None:
    (user.folder / "plots").mkdir()
    (user.folder / "plots/older.txt").write_text("of the last run")
    folder = ran(user, "training")
    names = sorted(
        str(path.relative_to(folder)) for part in ("results", "checkpoints") for path in (folder / part).rglob("*")
    )
    assert names == ["checkpoints/last.pt", "results/metrics.json", "results/predictions.jsonl"]
    assert (user.folder / "plots/loss.txt").read_text() == "0.1"
    assert (user.folder / "plots/older.txt").exists(), "a file that is fetched leaves its neighbours alone"
    assert "train" in user.rpd("events", user.run_id, "--json").stdout
    user.judge("TERMINATED", starts=1)


@pytest.mark.slow
@pytest.mark.row(46, 64, 68)
def test_a_payload_stays_on_its_network_volume(user: CommandLine) -> None:
    user.call("POST", "/v2/network-volumes", {"name": "corpora", "size": 10, "dataCenter": "EUR-IS-1"})
    counts = [(ran(user, "network-volume") / "count/count.txt").read_text().strip() for _ in range(2)]
    assert counts == ["2", "4"]


@pytest.mark.slow
@pytest.mark.row(69)
def test_secrets_are_read_as_before(user: CommandLine) -> None:
    folder = ran(user, "secrets")
    assert (folder / "out/modes.txt").read_text() == "600\n400\n"
    assert (folder / "out/lengths.txt").read_text() == "16 21\n17\n"
    written = b"".join(
        path.read_bytes() for path in user.home.rglob("*") if path.is_file() and "sandbox" not in path.parts
    )
    assert b"not-a-real" not in written and b"zzzzzzzz" not in written


@pytest.mark.weak_point(23)
@pytest.mark.slow
@pytest.mark.row(44, 48, 96)
def test_several_ports_on_two_gpus(user: CommandLine) -> None:
    ran(user, "ports")
    opened = user.records()[0].body
    ports = opened.config["pod"]["ports"]  # type: ignore[union-attr]
    assert list(ports) == ["22/tcp", "8888/http", "6006/http", "5000/tcp"]
    user.judge("EXITED", starts=1)


@pytest.mark.slow
@pytest.mark.row(61, 132)
def test_a_pod_is_recycled_by_the_same_file(user: CommandLine) -> None:
    for count in ("1", "2"):
        folder = ran(user, "recycle")
        assert (folder / "run.log").read_text().splitlines()[0] == count
        assert json.loads((folder / MANIFEST_NAME).read_text())["pod_resumed"] is (count == "2")
        assert json.loads((user.user / ".runpod-bench-daily-current").read_text())["gpu_id"] == "NVIDIA L4"
    user.judge("EXITED", starts=2)


@pytest.mark.slow
@pytest.mark.row(10, 11, 16, 93)
def test_a_shard_of_a_sweep_and_an_evaluation(user: CommandLine) -> None:
    assert json.loads((ran(user, "sweep") / "tiny/shard.json").read_text()) == {"seed": 7, "lr": "3e-4"}
    folder = ran(user, "eval")
    assert folder.parent == user.folder / "artifacts/runpod", "the project's root is above the file"
    assert (folder / "preds.jsonl").read_text() == "0 0.00\n1 0.25\n2 0.50\n"


@pytest.mark.weak_point(17, 18, 20)
@pytest.mark.slow
@pytest.mark.row(76)
def test_words_in_the_log_fail_only_whom_they_are_to_fail(user: CommandLine) -> None:
    text = (ran(user, "markers") / "run.log").read_text()
    assert "Killed 0 stale workers" in text and text.endswith("*** all done: [ok] $HOME ***\n")
    assert not (ran(user, "telemetry") / "metrics.jsonl").exists()


@pytest.mark.slow
@pytest.mark.row(37, 39, 112)
def test_a_price_cap_and_the_other_cloud(user: CommandLine) -> None:
    user.play(stock={"NVIDIA L4": {"EUR-IS-1": "HIGH"}})
    ran(user, "budget", "--max-gpu-price", "1.0", "--fallback-cloud-type", "COMMUNITY")
    intents = [record.body for record in user.records() if isinstance(record.body, Intent)]
    chosen = [intent.args["candidate"]["gpu_id"] for intent in intents if intent.op == "create_pod"]
    assert chosen == ["NVIDIA L4"], "an H100 costs more than one may"
    user.judge("TERMINATED", starts=1)


REFUSED = {
    "spot": (
        "  gpu_order:",
        "  spot: true\n  gpu_order:",
        "pod.spot: true cannot be had: RunPod's API (v2) rents no spot",
    ),
    "vcpu": ("  gpu_order:", "  min_vcpu_count: no\n  gpu_order:", "pod.min_vcpu_count: expected a whole number"),
    "memory": ("  gpu_order:", "  min_memory_gb: 0\n  gpu_order:", "pod.min_memory_gb: 0 is too small"),
    "stop": ("run:", "stop:\n  on_success: true\nrun:", "stop: unknown field; use lifecycle"),
    "version": ("schema_version: 2", "schema_version: 1", "rpd migrate FILE brings it up to date"),
    "datacenter": ("datacenters: [EUR-IS-1]", "datacenter_id: EUR-IS-1", "use pod.datacenters, a list"),
    "slip": ("  volume_gb:", "  volume_size_gb:", "storage.volume_size_gb: unknown field (did you mean 'volume_gb'?)"),
    "recycle": ("run:", "lifecycle: {on_failure: recycle}\nrun:", "lifecycle.on_failure: 'recycle' is not allowed"),
    "disk": ("volume_gb: 5", "volume_gb: 0", "storage.volume_gb: 0 is too small"),
    "text": ("volume_gb: 5", 'volume_gb: "5"', "storage.volume_gb: expected a whole number, found '5'"),
    "quoted": ("run:", 'telemetry: {enabled: "yes"}\nrun:', "telemetry.enabled: expected true or false, found 'yes'"),
    "quick": ("run:", "telemetry: {sample_interval_sec: 1}\nrun:", "must be at least 5"),
    "python": ("  gpu_order:", "  python_version: '3'\n  gpu_order:", "pod.python_version: '3' must match"),
}


@pytest.mark.weak_point(13)
@pytest.mark.row(8, 9, 15)
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    old, new, words = REFUSED[name]
    text = (FOLDER / "minimal.yaml").read_text()
    assert old in text
    with pytest.raises(SpecError) as refused:
        load_text(text.replace(old, new, 1), tmp_path / "bad.yaml")
    assert words in str(refused.value)


def test_yes_and_no_are_words_where_words_are_asked_for(tmp_path: Path) -> None:
    text = (
        FOLDER / "minimal.yaml"
    ).read_text() + "variables: {answer: yes, tag: on}\nremote_env: {exports: {DEBUG: off}}\n"
    job = load_text(text.replace("name: smoke", "name: no"), tmp_path / "words.yaml").job
    assert (job.name, job.variables, job.remote_env.exports) == ("no", {"answer": "yes", "tag": "on"}, {"DEBUG": "off"})


def test_results_that_would_replace_each_other_are_refused(tmp_path: Path) -> None:
    text = (FOLDER / "minimal.yaml").read_text()
    one = "{label: one, remote_path: /workspace/a/out.txt, local_path: out}"
    for two, words in (
        ("{label: two, remote_path: /workspace/b/out.txt, local_path: out/}", "'out/' is used twice"),
        ("{label: two, remote_path: /workspace/b, local_path: out}", "a folder needs one of its own"),
        ("{label: two, remote_path: /b.txt, local_path: out, delete: true}", "artifacts[1].delete: would remove"),
    ):
        with pytest.raises(SpecError) as refused:
            load_text(f"{text}artifacts: [{one}, {two}]\n", tmp_path / "job.yaml")
        assert words in str(refused.value)
