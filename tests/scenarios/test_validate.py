"""`rpd validate`: the file, what it needs here, what the provider has."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.fakes.registry import DIGEST, registry
from tests.scenarios.harness import CommandLine, config


def findings(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str, str]]:
    """All but the word about a job that fetches nothing."""
    found = [(each["level"], each["check"], each["message"]) for each in json.loads(done.stdout)["findings"]]
    return [each for each in found if each[1] != "results"]


def planned(cli: CommandLine, job: dict[str, Any], *more: str) -> tuple[int, str]:
    """A plan of the run: its exit code, and what it says to people."""
    cli.job(job)
    done = cli.rpd("run", "job.yaml", "--sandbox", "--plan", *more)
    return done.returncode, done.stderr


def online(cli: CommandLine, job: dict[str, Any], *more: str) -> subprocess.CompletedProcess[str]:
    cli.job(job)
    return cli.rpd("validate", "job.yaml", "--online", "--skip-registry-check", "--sandbox", "--json", *more)


@pytest.mark.weak_point(21)
@pytest.mark.row(10, 13, 16, 21)
def test_a_file_is_rendered_with_the_words_of_the_run(cli: CommandLine) -> None:
    job = config("echo {seed} {sed}", variables={"seed": "1"})
    cli.job({**job, "name": "x-{seed}", "local": {"required_paths": ["data.csv"]}})
    refused = cli.rpd("validate", "--config", "job.yaml")
    assert refused.returncode == 2 and "unknown name {sed} (did you mean 'seed'?)" in refused.stderr
    refused = cli.rpd("validate", "job.yaml", "--var", "sed=2")
    assert refused.returncode == 2 and "data.csv" in refused.stderr
    (cli.folder / "data.csv").touch()
    done = cli.rpd("validate", "job.yaml", "--var", "sed=2", "--var", "seed=7", "--check-local")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ok: job.yaml (schema 2, job x-7)\n"


@pytest.mark.slow
@pytest.mark.row(22, 29)
def test_what_the_provider_lacks_is_told_before_it_is_rented(cli: CommandLine) -> None:
    done = online(cli, config())
    assert (done.returncode, findings(done)) == (0, []), done.stderr

    pod = {"gpu_order": ["NVIDIA L44"], "datacenters": ["EUR-IS-11"]}
    done = online(cli, config(pod=pod, storage={"mode": "network_volume", "volume_name": "datta"}))
    assert done.returncode == 2
    told = {check: message for _, check, message in findings(done)}
    assert "did you mean 'NVIDIA L4'" in told["gpu"]
    assert "did you mean 'EUR-IS-1'" in told["datacenter"]
    assert "there is no network volume 'datta'" in told["volume"]

    code, said = planned(cli, config(pod=pod))
    assert code == 2 and "error: gpu: there is no GPU type 'NVIDIA L44'; did you mean 'NVIDIA L4'" in said
    done = cli.run()
    assert done.returncode == 2 and "there is no GPU type 'NVIDIA L44'; did you mean 'NVIDIA L4'" in done.stderr
    assert cli.statuses() == [], "nothing was ordered"

    cli.play(stock={"NVIDIA L4": {"EUR-IS-1": "LOW"}})
    assert findings(online(cli, config())) == [("warning", "stock", "stock is low in EUR-IS-1: NVIDIA L4 (SECURE) low")]
    cli.play(stock={"NVIDIA L4": {"EUR-IS-1": "NONE"}})
    done = online(cli, config())
    assert done.returncode == 6 and findings(done)[0][1] == "stock"
    done = online(cli, config(), "--gpu", "NVIDIA RTX A5000", "--max-gpu-price", "0.01")
    assert done.returncode == 6 and findings(done)[0][1] == "price"


@pytest.mark.slow
@pytest.mark.row(23)
def test_an_image_is_looked_up_where_the_pod_will_pull_it(cli: CommandLine) -> None:
    with registry() as host:
        for image, code in ((f"{host}/team/app:v2", 2), (f"{host}/team/app:v1", 0), (f"{host}/team/app@{DIGEST}", 0)):
            cli.job(config(pod={"image": image}))
            done = cli.rpd("validate", "job.yaml", "--online", "--sandbox")
            assert done.returncode == code, done.stderr
            assert ("a pod would hang at the pull" in done.stderr) is (code == 2)
            skipped = cli.rpd("validate", "job.yaml", "--all", "--skip-registry-check", "--sandbox")
            assert skipped.returncode == 0, skipped.stderr
        assert cli.run().returncode == 0


@pytest.mark.slow
@pytest.mark.row(50)
def test_ids_that_lead_nowhere(cli: CommandLine) -> None:
    done = online(cli, config(pod={"template_id": "runpod-torch-v24", "registry_id": "mine"}))
    assert done.returncode == 2
    assert [check for _, check, _ in findings(done)] == ["template", "registry"]
    assert online(cli, config(pod={"template_id": "runpod-torch-v240"})).returncode == 0
    cpu = {"image": "x", "cpu_order": ["cpu5"], "vcpu_count": 2}
    job = {**config(storage={"mode": "network_volume", "volume_name": "v", "volume_gb": None}), "pod": cpu}
    assert "did you mean" in {check: text for _, check, text in findings(online(cli, job))}["cpu"]


@pytest.mark.slow
@pytest.mark.row(30, 37)
def test_a_plan_shows_the_other_cloud_in_its_turn(cli: CommandLine) -> None:
    cli.job(config(pod={"gpu_order": ["NVIDIA L4", "NVIDIA RTX A5000"]}))
    plan = cli.rpd("run", "job.yaml", "--plan", "--sandbox", "--json", "--fallback-cloud-type", "COMMUNITY")
    tried = [(each["cloud"], each["gpu_id"]) for each in json.loads(plan.stdout)["choices"]]
    gpus = ("NVIDIA L4", "NVIDIA RTX A5000")
    assert tried == [(cloud, gpu) for cloud in ("SECURE", "COMMUNITY") for gpu in gpus]


@pytest.mark.slow
@pytest.mark.row(28)
def test_without_a_key_nothing_is_asked(cli: CommandLine) -> None:
    cli.job(config())
    asked = cli.rpd("validate", "job.yaml", "--online", "--skip-registry-check", "--json")
    assert asked.returncode == 4 and [check for _, check, _ in findings(asked)] == ["key"]
    assert cli.rpd("validate", "job.yaml").returncode == 0


@pytest.mark.slow
@pytest.mark.row(24, 29)
def test_warnings_do_not_refuse(cli: CommandLine) -> None:
    two = {"datacenters": ["EUR-IS-1", "EU-RO-1"]}
    cli.job(config("uv sync", pod=two, storage={"mode": "network_volume", "volume_name": "v", "volume_gb": None}))
    done = cli.rpd("validate", "job.yaml", "--scan-consumer")
    assert done.returncode == 0, done.stderr
    assert "warning: volume: a network volume is in one data center" in done.stderr
    assert "warning: uv: run.body runs uv" in done.stderr


@pytest.mark.slow
@pytest.mark.row(24, 25, 26, 27)
def test_a_plan_tells_what_breaks_in_a_pod(cli: CommandLine) -> None:
    (cli.folder / "src").mkdir()
    (cli.folder / "src/a.py").write_text("open('/home/ann/data.csv')\n")
    (cli.folder / "src/pyproject.toml").write_text('[project]\nname = "p"\ndependencies = ["runpod-deploy"]\n')
    cli.call("POST", "/v2/network-volumes", {"name": "v", "size": 10, "dataCenter": "EUR-IS-1"})
    job = config(
        "pip install torch",
        storage={"mode": "network_volume", "volume_name": "v", "volume_gb": None},
        preflight=[{"command": "uv sync"}],
        staging=[{"label": "src", "source": "src", "destination": "/workspace/src"}],
    )
    for more in ((), ("--offline",)):
        code, said = planned(cli, job, *more)
        assert code == 0, said
        assert "warning: uv: preflight[0] runs uv" in said
        assert "warning: torch: run.body installs torch" in said
        assert "warning: paths: src: a.py:1 names /home/ann" in said
        assert "warning: dependencies: src: pyproject.toml depends on runpod-deploy" in said
    assert cli.statuses() == []
