"""What a pod is made of, beside image and GPUs: start command, template, credentials, CUDA floor, volume, no GPU at
all. What the cloud was asked for is read from the cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from rpd.adapters.sandbox import daemon
from rpd.journal.records import Outcome
from tests.scenarios.harness import CommandLine, config

OUT = "mkdir -p /workspace/out; env > /workspace/out/env.txt; echo ok\n"
BACK = [{"label": "out", "remote_path": "/workspace/out", "local_path": "{run_dir}/out"}]


def ask(cli: CommandLine, path: str, method: str = "GET", body: dict[str, Any] | None = None) -> Any:
    """The cloud's own answer, with the account's key."""
    info = daemon.find(cli.sandbox_home)
    assert info is not None
    headers = {"Authorization": f"Bearer {info.api_key}", "User-Agent": "somebody"}
    answer = requests.request(method, f"{info.url}{path}", json=body, headers=headers, timeout=10)
    assert answer.ok, answer.text
    return answer.json()


def only_pod(cli: CommandLine) -> dict[str, Any]:
    """The one pod, kept stopped for a look at it."""
    (pod,) = ask(cli, "/v2/pods")["pods"]
    return dict(pod)


KEPT = {"lifecycle": {"on_success": "stop"}}


@pytest.mark.weak_point(23)
@pytest.mark.row(48, 50)
def test_start_command_ports_env_and_credentials_reach_the_cloud(cli: CommandLine) -> None:
    cli.up()
    credentials = ask(cli, "/v2/registries", "POST", {"name": "mine", "username": "me", "password": "secret"})
    pod = {
        "args": "bash -c 'touch /workspace/began; exec /start.sh'",
        "ports": ["8888/http"],
        "env": {"LEVEL": "3"},
        "registry_id": credentials["id"],
    }
    done = cli.run(config(OUT + "test -e /workspace/began", pod=pod, artifacts=BACK, **KEPT))
    assert done.returncode == 0, done.stderr
    made = only_pod(cli)
    assert made["ports"] == ["22/tcp", "8888/http"]
    assert made["registry"] == credentials["id"]
    assert made["args"].endswith("exec bash -c '\"'\"'touch /workspace/began; exec /start.sh'\"'\"''"), made["args"][
        -99:
    ]
    assert "LEVEL=3" in cli.result("out/env.txt").splitlines()
    order = next(each.body.args["order"] for each in cli.records() if getattr(each.body, "op", "") == "create_pod")
    assert order["args"] == pod["args"]
    outcomes = [each.body for each in cli.records() if isinstance(each.body, Outcome)]
    armed = [each for each in outcomes if each.op == "arm_switch"]
    assert armed[0].data["armed"]["is_restart_proof"], "the switch stands around the config's own command"


@pytest.mark.slow
@pytest.mark.row(50)
def test_a_template_brings_its_image(cli: CommandLine) -> None:
    job = config(OUT, **KEPT)
    job["pod"] = {"template_id": "runpod-torch-v240", "gpu_order": ["NVIDIA L4"], "env": {"LEVEL": "3"}}
    done = cli.run(job)
    assert done.returncode == 0, done.stderr
    (template,) = [each for each in ask(cli, "/v2/catalog/templates")["templates"] if each["id"] == "runpod-torch-v240"]
    made = only_pod(cli)
    assert made["image"] == template["image"]
    manifest = json.loads((cli.run_folder() / "runpod_deploy_pull_manifest.json").read_text())
    assert manifest["image"] == template["image"]


@pytest.mark.slow
def test_an_unknown_template_is_refused_and_nothing_is_rented(cli: CommandLine) -> None:
    done = cli.run(config(OUT, pod={"template_id": "none"}))
    assert done.returncode == 2, done.stderr
    assert cli.statuses() == []


@pytest.mark.slow
@pytest.mark.row(42)
def test_a_cuda_floor_narrows_the_hosts(cli: CommandLine) -> None:
    done = cli.run(config(OUT, pod={"min_cuda_version": "99.0"}))
    assert done.returncode == 6, done.stderr
    assert cli.statuses() == []
    assert cli.run(config(OUT, pod={"min_cuda_version": "12.4"})).returncode == 0
    assert cli.run(config(OUT, pod={"allowed_cuda_versions": ["12.8", "12.6"]}), "--new").returncode == 0


@pytest.mark.slow
@pytest.mark.row(41)
def test_floors_of_memory_and_vcpus_are_ordered(cli: CommandLine) -> None:
    done = cli.run(config(pod={"min_memory_gb": 64, "min_vcpu_count": 12}, **KEPT))
    assert done.returncode == 0, done.stderr
    gpu = only_pod(cli)["gpu"]
    assert gpu["memory"] >= 64 and gpu["vcpuCount"] >= 12
    done = cli.run(config(pod={"min_memory_gb": 5000}))
    assert done.returncode == 6 and "pod.min_memory_gb" in done.stderr


@pytest.mark.slow
@pytest.mark.row(29, 46, 51)
def test_a_pod_without_gpus_on_a_network_volume_by_name_or_id(cli: CommandLine) -> None:
    place = {"name": "data", "size": 10, "dataCenter": "EUR-IS-1"}
    volume = ask(cli, "/v2/network-volumes", "POST", place)
    job = config(OUT, storage={"mode": "network_volume", "volume_name": "data", "volume_gb": None}, artifacts=BACK)
    job["pod"] = {
        "image": job["pod"]["image"],
        "cpu_order": ["cpu5c", "cpu3c"],
        "vcpu_count": 4,
        "datacenters": ["EUR-IS-1"],
    }
    cli.job(job)
    found = json.loads(cli.rpd("estimate", "job.yaml", "--sandbox", "--json").stdout)
    flavor = ask(cli, "/v2/catalog/cpus/cpu5c")
    assert found["choices"][0]["usd_per_hour"] == pytest.approx(4 * flavor["price"]["securePerVcpu"])
    done = cli.run(job)
    assert done.returncode == 0, done.stderr
    assert f"RUNPOD_VOLUME_ID={volume['id']}" in cli.result("out/env.txt")
    seen = cli.inspect()
    assert seen["pod"]["gpu"] == "cpu5c"
    assert seen["pod"]["usd_per_hour"] == pytest.approx(4 * flavor["price"]["securePerVcpu"])
    assert cli.rpd("validate", "job.yaml", "--check-availability", "--sandbox").returncode == 0
    dear = cli.rpd("validate", "job.yaml", "--check-availability", "--sandbox", "--max-gpu-price", "0.1")
    assert dear.returncode == 6 and "every candidate is above" in dear.stderr, "the cap is for the whole CPU pod"
    job["storage"]["volume_name"] = volume["id"]
    job["pod"]["datacenters"] = ["EU-RO-1"]
    cli.job(job)
    wrong = cli.rpd("validate", "job.yaml", "--check-availability", "--sandbox")
    assert wrong.returncode == 2 and "datacenters: [EUR-IS-1]" in wrong.stderr
    job["pod"]["datacenters"] = ["EUR-IS-1"]
    assert cli.run(job).returncode == 0, "by its id"
    cli.nothing_computes()
