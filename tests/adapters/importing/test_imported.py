"""What becomes of other tools' files: the fields, and a comment for all that has none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpd.adapters.cli.arguments.overrides import not_ours
from rpd.adapters.importing.imported import Imported, imported, kind_of
from rpd.adapters.spec.error import SpecError
from rpd.adapters.spec.jobfile import load_text
from rpd.adapters.spec.yaml_source import parse_yaml
from rpd.engine.errors import UserError

TASK = """\
name: tune
resources:
  infra: runpod/CA/CA-MTL-1
  accelerators: [A100-80GB:2, 'H100:2', L4:1]
  disk_size: 1TB
  image_id: docker:nvcr.io/nvidia/pytorch:25.09-py3
  ports: [8080, 10022-10040]
  use_spot: true
  autostop: {idle_minutes: 10}
  labels: {team: a}
num_nodes: 2
envs:
  VERSION: 3.10
  RATE: 1e-4
  TEMPLATE: "{x} {{y}} ${z}"
  BUCKET:
  HF_TOKEN: null
  WANDB_API_KEY: abcdefgh12345678
secrets:
  OTHER_TOKEN: null
workdir: .
file_mounts:
  /data: {source: "s3://${BUCKET}", mode: MOUNT}
  ~/conf.yaml: ./task.yaml
  /far: /no/such/folder
setup: |
  pip install x
  awk '{print}' list
run: |
  torchrun --nnodes $SKYPILOT_NUM_NODES --nproc ${SKYPILOT_NUM_GPUS_PER_NODE} t.py
"""


def made(text: str, folder: Path, name: str = "task.yaml") -> list[Imported]:
    """The job files of a file in this folder."""
    (folder / name).write_text(text)
    return imported(text, name, base=folder, out=folder)


def fields(job: Imported) -> dict[str, Any]:
    """What stands in a job file."""
    return parse_yaml(job.text.encode(), job.name).data


def comments(job: Imported) -> str:
    """All of its comments as one text."""
    return " ".join(re.findall(r"^ *# *(.*)$", job.text, re.MULTILINE))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_skypilot_task(tmp_path: Path) -> None:
    (job,) = made(TASK, tmp_path)
    data = fields(job)
    assert (job.kind, job.name, data["name"]) == ("SkyPilot", "task.rpd.yaml", "tune")
    assert data["pod"]["image"] == "nvcr.io/nvidia/pytorch:25.09-py3"
    assert data["pod"]["gpu_order"][:2] == ["NVIDIA A100 80GB PCIe", "NVIDIA A100-SXM4-80GB"]
    assert "NVIDIA H100 80GB HBM3" in data["pod"]["gpu_order"] and "NVIDIA L4" not in data["pod"]["gpu_order"]
    assert (data["pod"]["gpu_count"], data["pod"]["datacenters"]) == (2, ["CA-MTL-1"])
    assert (data["pod"]["container_disk_gb"], data["storage"]["volume_gb"]) == (1000, 1000)
    assert data["pod"]["ports"] == ["22/tcp", "8080/tcp"]
    assert data["variables"] == {"BUCKET": None}
    assert data["env"] == ["HF_TOKEN", "WANDB_API_KEY", "OTHER_TOKEN"]
    exports = data["remote_env"]["exports"]
    assert (exports["VERSION"], exports["RATE"], exports["BUCKET"]) == ("3.10", "1e-4", "{BUCKET}")
    assert (exports["SKYPILOT_NUM_NODES"], exports["SKYPILOT_NUM_GPUS_PER_NODE"]) == ("1", "2")
    assert [each["destination"] for each in data["staging"]] == ["{volume_mount}/sky_workdir", "/root/conf.yaml"]
    assert data["preflight"][0]["with_env"] is True


def test_what_it_means_is_what_it_meant(tmp_path: Path) -> None:
    """Braces of the source stand for themselves, and nothing of the shell is touched."""
    (job,) = made(TASK, tmp_path)
    loaded = load_text(job.text, tmp_path / job.name, variables={"BUCKET": "mine"}).job
    assert loaded.remote_env.exports["TEMPLATE"] == "{x} {{y}} ${z}"
    assert loaded.remote_env.exports["BUCKET"] == "mine"
    assert loaded.preflight[0].command.endswith("pip install x\nawk '{print}' list\n")
    assert loaded.run.body.endswith("--nproc ${SKYPILOT_NUM_GPUS_PER_NODE} t.py\n")


def test_every_line_without_a_counterpart_is_a_comment(tmp_path: Path) -> None:
    (job,) = made(TASK, tmp_path)
    told = comments(job)
    for words in (
        "resources.use_spot: true",
        "resources.autostop: {idle_minutes: 10}",
        "resources.labels: {team: a}",
        "resources.ports.1: 10022-10040",
        "accelerators.2: L4:1",
        "num_nodes: 2",
        "file_mounts./data: {source: s3://${BUCKET}, mode: MOUNT}",
        "file_mounts./far: /no/such/folder",
        "envs.WANDB_API_KEY: (not copied)",
    ):
        assert words in told, words
        assert any(words in note for note in job.notes), words
    assert "abcdefgh12345678" not in job.text


def test_a_job_that_came_of_it_is_valid(tmp_path: Path) -> None:
    for number, text in enumerate(VALID):
        for job in made(text, tmp_path, f"task-{number}.yaml"):
            assert load_text(job.text, tmp_path / job.name).job.run.body, "it would run nothing"


VALID = (
    "run: echo hi\n",
    "resources: {accelerators: {V100, L40}}\nrun: |\n\n    a\n      b\n\n",
    "resources: {accelerators: 'RTX4090:8', cpus: 8+, memory: 64GB}\nsetup: ''\nrun: \"a\\tb  \\nc\"\n",
    "resources:\n  cloud: aws\n  region: us-east-1\n  instance_type: p3\n  image_id: ami-1\nworkdir: ''\nrun: 'true'\n",
    "resources:\n  any_of: [{infra: aws, accelerators: A100}, {infra: k8s}]\nservice: {replicas: 2}\nrun: x\n",
    "name: '{odd} name'\nenvs: {A: true, B: '', C: ~/x, D: 'null'}\nrun: echo {a,b} {1..3} {x}\n",
    "workdir: {url: 'https://example.org/x.git', ref: main}\nrun: ls\nconfig: {}\nunknown: [1, {a: b}]\n",
    "x: &e {A: b}\nenvs: {<<: *e, C: d}\nnum_nodes: 1\nrun: echo\n",
    "type: task\ncommands: [echo]\nresources: {gpu: 'A100:80GB:2', shm_size: 16GB}\n",
    "type: task\npython: 3.12\nenv: {A: 1, B: x}\ncommands:\n  - |\n    a\n    b\nnodes: 2\n",
    "type: dev-environment\nide: vscode\ninit: [pip install x]\nresources: {gpu: {name: [L4, A40], count: 1..2}}\n",
    "type: service\nimage: a/b:c\nport: 8000\nmodel: m\ncommands: [serve]\nreplicas: 1..4\nscaling: {metric: rps}\n",
    "type: task\nresources: {gpu: 0}\nvolumes: [data:/data, /host:/x]\ncommands: [ls]\nmax_duration: off\n",
    "type: task\nresources: {gpu: 1..8}\nrepos: ['https://example.org/x:/code']\ncommands: [ls]\nretry: true\n",
    f"type: task\ncommands: [ls]\nfiles: ['{'x' * 300}']\nretry: {{on_events: [[a], {{b: c}}], duration: 1h}}\n",
    "type: task\nname: 模型\nimage: 'a b'\ncommands: [ls]\nrepos: ['.:~']\n",
    "name: é\nresources: {ports: [0, 70000], image_id: 'docker:a b'}\nrun: ls\n",
    "runpodctl create pod --imageName a --gpuType 'NVIDIA L4' --args 'bash -c \"ls; pwd\"'\n",
    "runpodctl pod create --image a --gpu-type-id 'NVIDIA NEW 9' --network-volume-id v1 --volume-mount-path /data\n",
)


def test_several_documents_are_several_files(tmp_path: Path) -> None:
    head = "name: chain\nexecution: parallel\n---\n"
    jobs = made(f"{head}name: One\nrun: a\n---\nname: two\nresources: {{accelerators: L4}}\nrun: b\n", tmp_path)
    assert [each.name for each in jobs] == ["task.1-one.rpd.yaml", "task.2-two.rpd.yaml"]
    assert [fields(each)["name"] for each in jobs] == ["One", "two"]
    assert all("execution: parallel" in comments(each) for each in jobs)


def test_a_dstack_task(tmp_path: Path) -> None:
    text = """\
type: task
name: train
image: runpod/pytorch:2.4.0
env: [HF_TOKEN, MODEL=a/b, "TOKEN=${{ secrets.tok }}"]
commands: [nvidia-smi, python train.py --gpus $DSTACK_GPUS_PER_NODE]
backends: [runpod]
regions: [EU-RO-1, us-east-1]
resources: {gpu: {name: RTX4090, count: 4}, disk: 200GB.., shm_size: 24GB}
max_price: 16.0
max_duration: 24h
spot_policy: auto
retry: {on_events: [no-capacity], duration: 1h}
utilization_policy: {min_gpu_utilization: 10, time_window: 90m}
"""
    (job,) = made(text, tmp_path, "train.dstack.yml")
    data = fields(job)
    assert (job.kind, job.name) == ("dstack", "train.rpd.yaml")
    assert data["pod"]["gpu_order"] == ["NVIDIA GeForce RTX 4090"] and data["pod"]["gpu_count"] == 4
    assert (data["pod"]["container_disk_gb"], data["pod"]["datacenters"]) == (200, ["EU-RO-1"])
    assert data["env"] == ["HF_TOKEN", "TOKEN"]
    assert data["remote_env"]["exports"] == {"MODEL": "a/b", "DSTACK_GPUS_PER_NODE": "4"}
    assert data["budget"] == {
        "max_gpu_price_usd": 4.0,
        "max_runtime_minutes": 1440,
        "cost_cap_usd": 384,
        "idle_minutes": 90,
    }
    assert data["provision"] == {"wait_for_stock_minutes": 60}
    assert data["run"]["body"].startswith("set -e\n")
    assert data["run"]["body"].endswith("nvidia-smi\npython train.py --gpus $DSTACK_GPUS_PER_NODE\n")
    told = comments(job)
    assert all(words in told for words in ("spot_policy: auto", "shm_size: 24GB", "regions.1: us-east-1"))


@pytest.mark.parametrize(
    ("gpu", "wish", "count"),
    [
        ("24GB..", {"min_vram_gb": 24, "order": "cheapest"}, None),
        ("40GB..80GB:4", {"min_vram_gb": 40, "order": "cheapest"}, 4),
        ("nvidia:24GB:2..", {"min_vram_gb": 24, "order": "cheapest"}, 2),
        ("{memory: 24GB, count: 2}", {"min_vram_gb": 24, "order": "cheapest"}, 2),
        ("{total_memory: 80GB, count: 2}", {"min_vram_gb": 40, "order": "cheapest"}, 2),
        ("T4", {"min_vram_gb": 16, "order": "cheapest"}, None),
        ("A100:80GB", "NVIDIA A100 80GB PCIe", None),
        ("A6000,L4:2", "NVIDIA RTX A6000", 2),
        ("H100:1..2", "NVIDIA H100 PCIe", None),
        ("[L4, A40]", "NVIDIA L4", None),
    ],
)
def test_gpus_by_property(tmp_path: Path, gpu: str, wish: object, count: int | None) -> None:
    (job,) = made(f"type: task\ncommands: [ls]\nresources:\n  gpu: {gpu}\n", tmp_path)
    pod = fields(job)["pod"]
    assert pod["gpu_order"][0] == wish and pod.get("gpu_count") == count


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("RTXA4000", ["NVIDIA RTX A4000"]),
        ("H100-SXM", ["NVIDIA H100 80GB HBM3"]),
        ("H100NVL", ["NVIDIA H100 NVL"]),
        ("RTX3090", ["NVIDIA GeForce RTX 3090"]),
        ("RTX6000-Ada", ["NVIDIA RTX 6000 Ada Generation"]),
        ("V100-32GB", ["Tesla V100-SXM2-32GB"]),
        ("L40", ["NVIDIA L40"]),
        ("A100_NVLINK_40GB", ["NVIDIA A100-SXM4-40GB"]),
        ("H800", [{"min_vram_gb": 80, "order": "cheapest"}]),
        ("[L4, A40]", ["NVIDIA L4", "NVIDIA A40"]),
        ("[{H200-SXM: 1}, {L4: null}]", ["NVIDIA H200", "NVIDIA L4"]),
        ("{H200-SXM: 1, L4: null}", ["NVIDIA L4", "NVIDIA H200"]),
        ("{H200-SXM, L4}", ["NVIDIA L4", "NVIDIA H200"]),
    ],
)
def test_gpus_by_name(tmp_path: Path, name: str, types: list[object]) -> None:
    (job,) = made(f"resources: {{accelerators: {name}}}\nrun: ls\n", tmp_path)
    assert fields(job)["pod"]["gpu_order"] == types


@pytest.mark.parametrize(
    "option", ["--containerDiskSize 50GB", "--gpuCount two", "--volumeSize x", "--ports 53/udp,22/tcp"]
)
def test_a_value_that_is_none_is_told(tmp_path: Path, option: str) -> None:
    (job,) = made(f"runpodctl create pod --imageName 'a b' --dataCenterId '{{x}}' {option}\n", tmp_path, "go.sh")
    assert {note.split(":")[1].strip() for note in job.notes} == {"imageName", option.split(maxsplit=1)[0][2:]}
    load_text(job.text, tmp_path / job.name)


def test_lines_of_runpodctl(tmp_path: Path) -> None:
    key = "hf_" + "a" * 30
    text = f"""\
#!/bin/sh
# runs the training
runpodctl create pod --name "my pod" --gpuType "NVIDIA GeForce RTX 4090" --gpuCount 2 --secureCloud \\
  --imageName "a/b:c" --containerDiskSize 50 --volumeSize 100 --volumePath /runpod --ports '8888/http,22/tcp' \\
  --env A=b --env HF_TOKEN={key} --args "bash -c 'ls'" --cost 1.0 --startSSH
runpodctl pod create --image ubuntu --gpu-type-id="NVIDIA L4" --env '{{"X":"y"}}' --data-center-ids "EU-RO-1,US-TX-3"
"""
    first, second = made(text, tmp_path, "go.sh")
    data = fields(first)
    assert (first.kind, data["name"]) == ("runpodctl", "my pod")
    assert (data["pod"]["gpu_count"], data["pod"]["container_disk_gb"]) == (2, 50)
    assert data["storage"] == {"volume_gb": 100, "volume_mount": "/runpod"}
    assert (data["budget"]["max_gpu_price_usd"], data["run"]["body"]) == (0.5, "bash -c 'ls'\n")
    assert data["env"] == ["HF_TOKEN"] and data["remote_env"]["exports"] == {"A": "b"}
    assert key not in first.text + str(first.notes) and "startSSH" in comments(first)
    other = fields(second)
    assert (other["pod"]["datacenters"], other["remote_env"]["exports"]) == (["EU-RO-1", "US-TX-3"], {"X": "y"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\npod: {image: a}\nrun: {body: b}\n", "a job file already"),
        ("a: 1\n", "neither a SkyPilot task"),
        ("type: fleet\nname: f\n", "holds no job"),
        ("a: [\n", "no YAML"),
        ("", "no job"),
        ("run: &a {b: *a}\n", "too deep"),
        ("runpodctl create pod --name 'x\n", "quotation"),
        ('run: "a\\0b"\n', "task.yaml:1: holds a character"),
    ],
)
def test_what_is_none_of_them_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        made(text, tmp_path)


def test_a_text_is_written_as_it_is_read(tmp_path: Path) -> None:
    for value in (
        "a: b",
        " x",
        "#",
        "- a",
        "yes",
        "1e3",
        "it's",
        'a "q"',
        "tab\t",
        "ü\u2028",
        "*a",
        "&",
        "%",
        "a #b",
        "~",
        "a:",
    ):
        quoted = '"' + "".join(f"\\u{ord(letter):04x}" for letter in value) + '"'
        (job,) = made(f"envs: {{A: {quoted}}}\nrun: {quoted}\n", tmp_path)
        data = fields(job)
        assert data["remote_env"]["exports"]["A"] == value
        assert data["run"]["body"].endswith(value)


def test_the_tool_of_a_file_is_known() -> None:
    assert kind_of("run: ls\nresources: {cpus: 2}\n", "x") == "SkyPilot"
    assert kind_of("type: task\ncommands: [ls]\n", "x") == "dstack"
    assert kind_of("name: x\npod: {}\nrun: {body: ls}\n", "x") is None
    assert kind_of("a: [", "x") is None


CREATE = "runpodctl create pod --imageName a"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"# was: {CREATE}\nname: x\npod: {{imag: a}}\nrun: {{body: ls}}\n", None),
        (f"# was: {CREATE}\nname: [x\npod: {{}}\n", None),
        (f"name: [x\npod: {{}}\nrun:\n  body: |\n    {CREATE}\n", None),
        (f"pod: {{image: a  # {CREATE}\n", None),
        (f"# was: {CREATE}\nresources: {{cpus: 2}}\nrun: ls\n", "SkyPilot"),
        (f"resources: {{cpus: 2}}\nrun: |\n  {CREATE}\n", "SkyPilot"),
        (f"#!/bin/sh\n# {CREATE}\n  # {CREATE}\nls  # {CREATE}\n", None),
        (f"\r\n---\r\n# was: {CREATE}\r\nname: [\r\nrun: {CREATE}\r\n", None),
        (f"# {CREATE}\n{CREATE}\n", "runpodctl"),
        (f"{CREATE} --args 'a: b'\n", "runpodctl"),
        (f"echo 'now: it' && \\\n  {CREATE}\n", "runpodctl"),
        (f'{{"pod": {{"args": "{CREATE}"}}, "run": {{}}}}\n', None),
        (f'# a\n{CREATE} \\\n  --env \'{{"A": "b"}}\'\n', "runpodctl"),
    ],
)
def test_a_comment_or_a_command_takes_no_file_over(text: str, kind: str | None) -> None:
    assert kind_of(text, "x.yaml") == kind


def test_a_task_with_such_a_comment_and_a_script_with_such_a_line(tmp_path: Path) -> None:
    (job,) = made(f"# was: {CREATE}\nname: real\nrun: ls\n", tmp_path)
    assert (job.kind, fields(job)["name"]) == ("SkyPilot", "real")
    (job,) = made(f"# {CREATE} --name old \\\n{CREATE} --name new\n", tmp_path, "go.sh")
    assert fields(job)["name"] == "new"
    with pytest.raises(UserError, match="is a shell script"):
        made(f"# {CREATE}\n", tmp_path, "go.sh")


def test_a_flag_without_a_value_takes_no_option(tmp_path: Path) -> None:
    text = "runpodctl create pod --globalNetworking --imageName a --args '--model m' --fresh && echo --imageName b\n"
    (job,) = made(text, tmp_path, "go.sh")
    data = fields(job)
    assert (data["pod"]["image"], data["run"]["body"]) == ("a", "--model m\n")
    assert [note.split(":")[1].strip() for note in job.notes] == ["globalNetworking", "fresh"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_call_is_told_with_its_own_line(tmp_path: Path, end: str) -> None:
    lines = ["#!/bin/sh", f"# {CREATE} --odd x", "", f"{CREATE} \\", "  --odd x", f"{CREATE} --odd y", ""]
    (tmp_path / "go.sh").write_bytes(end.join(lines).encode())
    jobs = imported(end.join(lines), "go.sh", base=tmp_path, out=tmp_path)
    assert [note.partition(":")[0] for job in jobs for note in job.notes] == ["line 4", "line 6"]


@pytest.mark.parametrize(
    ("resources", "price", "told"),
    [
        ("{accelerators: 'A100:4', max_hourly_cost: 8}", 2.0, ""),
        ("{max_hourly_cost: 8}", 8.0, ""),
        ("{any_of: [{accelerators: 'L4:2', max_hourly_cost: 3}, {accelerators: 'A40:2', max_hourly_cost: 2}]}", 1.0,
         "resources.any_of.0.max_hourly_cost: 3"),
    ],
)  # fmt: skip
def test_the_price_of_skypilot_is_that_of_all_gpus(tmp_path: Path, resources: str, price: float, told: str) -> None:
    (job,) = made(f"resources: {resources}\nrun: ls\n", tmp_path)
    assert fields(job)["budget"]["max_gpu_price_usd"] == price
    assert "per GPU" in comments(job) and told in comments(job)


@pytest.mark.parametrize("out", ["jobs", "new/folder", "."])
def test_paths_of_skypilot_count_from_where_it_is_called(tmp_path: Path, out: str) -> None:
    """The folder of the new file need not be there yet."""
    for each in ("t", "code"):
        (tmp_path / each).mkdir()
    (tmp_path / "conf.ini").write_text("x")
    text = "workdir: .\nfile_mounts: {/code: ./code, /etc/conf.ini: conf.ini}\nrun: ls\n"
    (job,) = imported(text, "t/resnet.yaml", base=tmp_path / "t", out=tmp_path / out)
    assert job.notes == ()
    loaded = load_text(job.text, tmp_path / out / job.name).job
    assert [each.source for each in loaded.staging] == [
        str(tmp_path / each) for each in ("", "code", "conf.ini")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "url", "target"),
    [
        ("https://github.com/org/repo", "https://github.com/org/repo", "workflow"),
        ("https://github.com/org/repo:/code", "https://github.com/org/repo", "/code"),
        ("ssh://git@host.org:2222/repo.git", "ssh://git@host.org:2222/repo.git", "workflow"),
        ("ssh://git@host.org:2222/repo.git:/code", "ssh://git@host.org:2222/repo.git", "/code"),
        ("git@github.com:org/repo", "git@github.com:org/repo", "workflow"),
        ("git@github.com:org/repo.git:sub", "git@github.com:org/repo.git", "workflow/sub"),
    ],
)
def test_a_repository_of_dstack_is_cloned(tmp_path: Path, entry: str, url: str, target: str) -> None:
    (job,) = made(f"type: task\ncommands: [ls]\nrepos:\n- {entry}\n", tmp_path)
    (step,) = fields(job)["setup"]
    assert re.search(r"git clone (\S+) (\S+);", step["command"]).groups()[0] == url  # type: ignore[union-attr]
    assert step["command"].endswith(f"{target}; }}") and job.notes == ()


def test_files_and_repositories_of_dstack(tmp_path: Path) -> None:
    (tmp_path / "project" / "conf").mkdir(parents=True)
    (tmp_path / "project" / "token").write_text("x")
    text = "type: task\ncommands: [ls]\nrepos: [.]\nfiles: ['conf:/etc/conf', 'conf', './token:/root/token']\n"
    (tmp_path / "project" / "a.yml").write_text(text)
    (job,) = imported(text, "project/a.yml", base=tmp_path / "project", out=tmp_path)
    data = fields(job)
    assert [(each["source"], each["destination"]) for each in data["staging"]] == [
        ("project", "{volume_mount}/workflow"),
        ("project/conf", "/etc/conf"),
        ("project/conf", "{volume_mount}/workflow/conf"),
    ]
    assert data["secrets"] == [{"name": "token", "destination": "/root/token", "file": "project/token"}]


def test_a_value_that_is_missing_is_named_with_its_option(tmp_path: Path) -> None:
    (job,) = made("envs: {BUCKET: }\nrun: ls\n", tmp_path)
    with pytest.raises(SpecError) as wrong:
        load_text(job.text, tmp_path / job.name)
    assert [each.path for each in wrong.value.problems] == ["variables.BUCKET"]
    assert "--var BUCKET=VALUE" in str(wrong.value)


def test_what_stands_among_secrets_is_never_copied(tmp_path: Path) -> None:
    """Whatever its name: into no field, no comment and no path."""
    text = """\
secrets: {DB_LOGIN: hunter22, PLACE: inner-place, OTHER: null, HF_TOKEN: ""}
workdir: {url: "https://${DB_LOGIN}@example.org/x"}
file_mounts: {"/data/${PLACE}": ./x}
volumes: {/mnt/a: "${PLACE}"}
run: ls
"""
    (job,) = made(text, tmp_path)
    assert "hunter22" not in job.text + str(job.notes) and "inner-place" not in job.text + str(job.notes)
    assert fields(job)["env"] == ["DB_LOGIN", "PLACE", "OTHER"] and "variables" not in fields(job)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("secrets: {LOGIN: hunter22hunter22}\n---\nrun: ls\n", "task.yaml"),
        ("config: {docker: {run_options: ['-e DB_PASSWORD=hunter22hunter22']}}\nrun: ls\n", "task.yaml"),
        ("""runpodctl create pod --imageName a --env '{"HF_TOKEN": "hunter22hunter22"}'\n""", "make.sh"),
        ("type: task\ncommands: [ls]\nentrypoint: run --api-key hunter22hunter22\n", "task.yaml"),
        ("""runpodctl create pod --imageName a --env 'A=1' --env 'HF_TOKEN=my hunter22hunter22'\n""", "make.sh"),
    ],
)
def test_a_secret_within_a_longer_value_is_not_copied(tmp_path: Path, text: str, name: str) -> None:
    (job,) = made(text, tmp_path, name)
    assert "hunter22" not in job.text + str(job.notes)
    assert any("(not copied)" in note for note in job.notes)


@pytest.mark.parametrize(
    "text",
    [
        'secrets: {LOGIN: }\nworkdir: {url: "https://${LOGIN}@example.org/x"}\nrun: ls\n',
        'workdir: {url: "https://me:hunter22@example.org/x"}\nrun: ls\n',
        'type: task\ncommands: [ls]\nrepos: ["https://me:hunter22@example.org/x"]\n',
        'type: task\ncommands: [ls]\nrepos: [{url: "https://me:hunter22@example.org/x", path: x}]\n',
    ],
)
def test_an_address_with_a_secret_in_it_is_told_and_not_cloned(tmp_path: Path, text: str) -> None:
    """No setup command has the environment: the clone would fail once the pod is paid for."""
    (job,) = made(text, tmp_path)
    assert "setup" not in fields(job) and any("clone it in preflight" in note for note in job.notes)
    assert "hunter22" not in job.text + str(job.notes)


def test_an_address_with_a_login_is_a_secret(tmp_path: Path) -> None:
    text = """\
envs: {DB: "postgres://me:hunter22@db/x", PLACE: "https://example.org:80/x"}
file_mounts: {/d: "s3://me:hunter22@b/x"}
run: ls
"""
    (job,) = made(text, tmp_path)
    assert "hunter22" not in job.text + str(job.notes)
    assert fields(job)["env"] == ["DB"] and fields(job)["remote_env"]["exports"] == {
        "PLACE": "https://example.org:80/x"
    }


def test_a_command_that_is_a_section_for_yaml_is_told_without_the_secret_in_it(tmp_path: Path) -> None:
    text = """\
type: task
commands:
  - curl -H "Authorization: Bearer hunter22" https://example.org
  - ls
headers: {Authorization: Bearer hunter22}
"""
    (job,) = made(text, tmp_path)
    assert "hunter22" not in job.text + str(job.notes)
    assert "line 3: commands.0" in comments(job) and "put it in quotes" in comments(job)
    assert fields(job)["run"]["body"].endswith("\nls\n")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("secrets: [HF_TOKEN, PLAIN]\nrun: ls\n", ["HF_TOKEN", "PLAIN"]),
        ("secrets: {ENDPOINT: }\nrun: ls\n", ["ENDPOINT"]),
        ("type: task\ncommands: [ls]\nenv: ['URL=https://u:${{ secrets.pw }}@x', 'B=${{secrets.b}}']\n", ["URL", "B"]),
    ],
)
def test_secrets_are_taken_by_name(tmp_path: Path, text: str, names: list[str]) -> None:
    (job,) = made(text, tmp_path)
    assert fields(job)["env"] == names
    assert ("export the whole value" in comments(job)) == ("URL" in names)


def test_the_login_of_a_registry_is_no_variable(tmp_path: Path) -> None:
    (job,) = made("envs: {SKYPILOT_DOCKER_USERNAME: me, SKYPILOT_DOCKER_PASSWORD: hunter22}\nrun: ls\n", tmp_path)
    assert "env" not in fields(job) and "remote_env" not in fields(job) and "hunter22" not in job.text
    assert comments(job).count("pod.registry_id") == 2


@pytest.mark.parametrize(
    ("image", "taken"),
    [
        ("docker:a/b:c", "a/b:c"),
        ("ghcr.io/a/b:c", "ghcr.io/a/b:c"),
        ("{us-east-1: ami-1, docker: 'ubuntu:22.04'}", "ubuntu:22.04"),
        ("{us-east-1: 'docker:a/b', us-west-1: 'docker:a/b'}", "a/b"),
        ("projects/x/global/images/y", None),
        ("ami-0123", None),
        ("'skypilot:gpu-ubuntu'", None),
        ("'publisher:offer:sku:1.0'", None),
    ],
)
def test_the_container_image_of_skypilot(tmp_path: Path, image: str, taken: str | None) -> None:
    (job,) = made(f"resources: {{infra: k8s, image_id: {image}}}\nrun: ls\n", tmp_path)
    assert (fields(job)["pod"]["image"] == taken) == (taken is not None)
    assert ("no container image; pod.image" in comments(job)) == (taken is None or "ami" in image)


@pytest.mark.parametrize(("kind", "first"), [("ordered", "NVIDIA H200"), ("any_of", "NVIDIA L4")])
def test_what_is_ordered_stays_so(tmp_path: Path, kind: str, first: str) -> None:
    choices = "[{accelerators: 'H200-SXM:1'}, {infra: aws, accelerators: {L4: 1}}]"
    (job,) = made(f"resources: {{{kind}: {choices}}}\nrun: ls\n", tmp_path)
    assert fields(job)["pod"]["gpu_order"][0] == first
    assert ("the cheapest first" in comments(job)) == (kind == "any_of")


def test_the_number_of_gpus_is_that_of_one_that_can_be_had(tmp_path: Path) -> None:
    (job,) = made("resources: {accelerators: {Inferentia:6, H100:2, A100:4}}\nrun: ls\n", tmp_path)
    pod = fields(job)["pod"]
    assert pod["gpu_count"] == 2 and all("H100" in each for each in pod["gpu_order"])
    assert "rents no Inferentia" in comments(job) and "A100:4: a job has one number of GPUs, here 2" in comments(job)


@pytest.mark.parametrize(
    ("resources", "floor"),
    [("{cpus: 8+, memory: 4x}", 32), ("{memory: 4x}", None), ("{memory: 64+}", 64), ("{cpus: 2, memory: 16GiB}", 16)],
)
def test_memory_for_each_processor(tmp_path: Path, resources: str, floor: int | None) -> None:
    (job,) = made(f"resources: {resources}\nrun: ls\n", tmp_path)
    assert fields(job)["pod"].get("min_memory_gb") == floor
    assert ("resources.memory: 4x" in comments(job)) == (floor is None)


def test_a_volume_of_skypilot(tmp_path: Path) -> None:
    text = """\
volumes: {/mnt/a: "${UNSET}-v", /mnt/data: {name: "${TEAM}-data", sub_path: x}, /mnt/b: other}
envs: {TEAM: blue}
resources: {disk_size: 100}
run: ls
"""
    (job,) = made(text, tmp_path)
    data = fields(job)
    assert data["storage"] == {"mode": "network_volume", "volume_name": "blue-data", "volume_mount": "/mnt/data"}
    assert "cd {volume_mount}/runs/{run_id}/sky_workdir" in data["run"]["body"], "other runs use the volume, too"
    for line in ("volumes./mnt/a: ${UNSET}-v", "volumes./mnt/data.sub_path: x", "volumes./mnt/b: other"):
        assert line in comments(job), line
    load_text(job.text, tmp_path / job.name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resources: {cloud: gcp, labels: {a: b}}\nrun: ls\n", "resources.cloud: gcp: jobs here run on RunPod alone"),
        ("resources:\n  any_of: [{use_spot: true}, {use_spot: false}]\nrun: ls\n", "any_of.0.use_spot: true: RunPod's"),
        ("resources: {job_recovery: {max_restarts_on_errors: 2}}\nrun: ls\n", "job that failed is not launched again"),
        ("type: task\ncommands: [ls]\nresources: {shm_size: 8GB}\n", "resources.shm_size: 8GB: RunPod chooses it"),
        ("type: task\ncommands: [ls]\nresources: {cpu: ..64}\n", "only a least amount can be asked for"),
        ("type: task\ncommands: [ls]\nresources: {cpu: 'arm:8'}\n", "RunPod's hosts are x86"),
        (
            "type: task\ngroups: [{nodes: 1, commands: [a]}, {nodes: 2, commands: [b]}]\n",
            "put the commands of one group",
        ),
        ("type: task\ncommands: ['run ${{ dstack.node_rank }}']\n", "which dstack fills in and a shell does not know"),
        ("type: service\nimage: a/b:c\nport: 80\ncommands: [ls]\n", "type: service: a job here ends and is not served"),
        ("type: task\ncommands: [ls]\nports: [9000/tcp]\n", "ports: [9000/tcp]: name each port in pod.ports"),
        ("type: task\ncommands: [ls]\nvolumes: [{name: [a, b], path: /d}]\n", "here the first of these"),
        ("type: task\nimage: a/b:c\n", "write what the job does"),
        ("resources: {cpus: 2}\nsetup: ls\npool: {workers: 2}\n", "write what the job does"),
        ("setup: |\n  conda activate x\n  if [ $? -ne 0 ]; then conda create -n x; fi\nrun: ls\n", "has no conda"),
        ("run: sudo docker run x\n", "docker: none runs in RunPod's pods"),
        ("run: |\n  (uv run a.py)\n", 'pod.python_version: "3.12" brings it'),
    ],
)
def test_what_a_job_lacks_is_told_with_its_own_reason(tmp_path: Path, text: str, words: str) -> None:
    (job,) = made(text, tmp_path)
    assert words in comments(job) and words in " ".join(job.notes)
    assert "the job file has nothing like it" not in comments(job)
    load_text(job.text, tmp_path / job.name)


def test_tools_that_the_image_has_or_no_command_calls_are_no_news(tmp_path: Path) -> None:
    for text in (
        "resources: {image_id: 'docker:continuumio/miniconda3'}\nrun: conda env list\n",
        "run: echo install docker and conda or uv\n",
        "type: task\npython: 3.12\nnvcc: true\ncommands: [uv run a.py]\n",
    ):
        (job,) = made(text, tmp_path)
        assert job.notes == (), text


def test_documents_without_a_job_are_told_beside_those_with_one(tmp_path: Path) -> None:
    fleet = "type: fleet\nname: f\nnodes: 2\n"
    (job,) = made(f"{fleet}---\ntype: task\ncommands: [ls]\n", tmp_path)
    assert "type: fleet: it holds no job" in comments(job) and "type: fleet" in job.notes[0]
    with pytest.raises(UserError, match="each run of rpd rents a pod of its own"):
        made(fleet, tmp_path)


@pytest.mark.parametrize(
    "text", ["name: {{ name }}\nrun: ls\n", "{% if x %}\nrun: ls\n{% endif %}\n", "run: {{cmd}}\n"]
)
def test_a_template_is_called_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"task.yaml:1: \{.*\} is filled in by a template engine first"):
        made(text, tmp_path)


@pytest.mark.parametrize(
    ("path", "place"), [("../up", "{volume_mount}/up"), ("../../up", "/up"), ("../../../up", "/up")]
)
def test_a_file_above_its_folder_is_sent_beside_the_work_folder(tmp_path: Path, path: str, place: str) -> None:
    here = tmp_path / "a" / "b" / "c"
    here.mkdir(parents=True)
    (here / path).mkdir()
    (job,) = imported(f"type: task\ncommands: [ls]\nfiles: [{path}]\n", "a.yml", base=here, out=tmp_path)
    assert fields(job)["staging"][0]["destination"] == place
    load_text(job.text, tmp_path / job.name)


OTHERS = {
    "compose.yaml": ("services: {web: {image: nginx}}\nvolumes: {a: {}}\n", "a docker-compose file"),
    "job.yaml": ("apiVersion: batch/v1\nkind: Job\nspec: {}\n", "a Kubernetes Job"),
    "odd.yaml": ("apiVersion: v1\nkind: [x]\n", "a Kubernetes object"),
    "ci.yml": ("on: [push]\njobs: {a: {steps: [{run: ls}]}}\n", "a GitHub workflow"),
    "action.yml": ("inputs: {a: {}}\noutputs: {}\nruns: {using: composite}\n", "a GitHub action"),
    "azure.yml": ("trigger: [main]\nresources: {}\npool: {vmImage: x}\nsteps: [{script: ls}]\n", "an Azure pipeline"),
    "gitlab.yml": ("stages: [a]\nbuild: {script: [make]}\n", "a GitLab pipeline"),
    "ray.yaml": ("cluster_name: x\nprovider: {type: aws}\nsetup_commands: []\n", "a Ray cluster"),
    "env.yml": ("name: x\nchannels: [a]\ndependencies: [b]\n", "a conda environment"),
    "vol.yaml": ("name: x\ntype: runpod-network-volume\nsize: 10\n", "a SkyPilot volume"),
    "nb.ipynb": ('{"cells": [], "nbformat": 4}', "a notebook"),
    "train.sbatch": ("#!/bin/bash\n#SBATCH --gres=gpu:1\nsrun python t.py\n", "a Slurm script"),
    "train.pbs": ("#PBS -l walltime=1\npython t.py\n", "a PBS script"),
    "go.sh": ("python t.py\n", "a shell script"),
    "go": ("#!/usr/bin/env bash\nset -e\n", "a shell script"),
    "app.py": ('import modal\napp = modal.App("x")\n@app.function(gpu="A100")\ndef f(): pass\n', "a Modal program"),
    "train.py": ("import torch\nprint(1)\n", "a Python program"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_called_by_their_names(tmp_path: Path, name: str) -> None:
    text, what = OTHERS[name]
    with pytest.raises(UserError, match=f"{name} is {what}; rpd import reads SkyPilot tasks") as refused:
        made(text, tmp_path, name)
    assert refused.value.reason == "foreign_spec" and refused.value.hint
    said = not_ours(Path(name), text)
    assert said is not None and said.message == f"{name} is {what}, and no job file"


@pytest.mark.parametrize(
    "text",
    [
        "name: x\npod: {imag: a}\nrun: {body: ls}\nservices: {a: {image: b}}\n",
        "name: [x\nrun:\n  body: |\n    #SBATCH --x\n    import modal\n",
        "nam: x\n",
        "",
    ],
)
def test_what_may_be_meant_as_a_job_file_is_none_of_them(text: str) -> None:
    assert not_ours(Path("x.yaml"), text) is None


def test_an_old_job_file_is_sent_to_migrate(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a job file already") as refused:
        made("schema_version: 1\nname: x\n", tmp_path, "old.yaml")
    assert refused.value.hint == "rpd migrate old.yaml"


KEYS = """
resources run envs type task commands gpu accelerators file_mounts A100:2 24GB.. a env volumes repos files ports disk
memory count name retry max_price workdir secrets ordered infra source mode COPY url path ${a} {a} NAME=value
"""
WORDS = st.sampled_from(KEYS.split())
DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), WORDS),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(WORDS, below, max_size=3)),
    max_leaves=12,
)


@given(data=st.dictionaries(WORDS, DATA, min_size=1, max_size=5))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_data_is_translated_into_yaml_or_refused(tmp_path: Path, data: dict[str, Any]) -> None:
    text = yaml.safe_dump(data)
    try:
        jobs = imported(text, "x.yaml", base=tmp_path, out=tmp_path)
    except UserError:
        return
    assert jobs, "what is not refused gives a job file"
    assert all({"name", "pod", "run"} <= set(fields(job)) for job in jobs)
