"""Two runs and one network volume: neither removes what the other one runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.harness import COMPUTING, GATED, CommandLine, config

STORAGE = {"mode": "network_volume", "volume_name": "data", "volume_gb": None}
BODY = "python3 /workspace/src/main.py\n"


def mounted(cli: CommandLine, name: str, body: str = BODY, **sections: Any) -> dict[str, Any]:
    """A job of this name that sends its own program to the place that all of them use."""
    source = cli.folder / name
    source.mkdir(exist_ok=True)
    (source / "main.py").write_text(f"import helper_{name}\n")
    (source / f"helper_{name}.py").write_text(f"print('run {name}')\n")
    tree = {"source": name, "destination": "/workspace/src"}
    return config(body, name=name, storage=STORAGE, staging=[tree], **sections)


def volume(cli: CommandLine) -> None:
    cli.call("POST", "/v2/network-volumes", {"name": "data", "size": 10, "dataCenter": "EUR-IS-1"})


def test_a_second_live_run_is_refused_and_the_first_keeps_its_files(cli: CommandLine) -> None:
    volume(cli)
    first = cli.begin(mounted(cli, "a", GATED.replace("/workspace/go", "/workspace/src/go") + BODY))
    first.until_begun()
    cli.job(mounted(cli, "b"), "b.yaml")
    second = cli.rpd("run", "b.yaml", "--sandbox")
    assert second.returncode == 6, second.stderr
    assert "another run uses the same destination on the network volume: /workspace/src (run a-" in second.stderr
    assert "/workspace/{run_id}/src" in second.stderr
    (cli.sandbox_home / "pods" / cli.live_pod()["id"] / "volume" / "src" / "go").touch()
    assert first.end() == 0, first.text
    assert "run a" in first.text
    cli.judge("TERMINATED", "TERMINATED", starts=1)
    third = cli.rpd("run", "b.yaml", "--sandbox")
    assert third.returncode == 0, third.stderr
    assert "are held" not in third.stderr, "who ends leaves its places"


@pytest.mark.slow
def test_a_detached_run_keeps_its_place_and_a_dead_one_does_not(cli: CommandLine) -> None:
    volume(cli)
    first = cli.begin(mounted(cli, "a", GATED))
    first.until_begun()
    first.kill()
    cli.job(mounted(cli, "b"), "b.yaml")
    assert cli.rpd("run", "b.yaml", "--sandbox").returncode == 6
    assert [pod["status"] for pod in cli.truth()["pods"] if pod["status"] in COMPUTING] == ["RUNNING"]
    pod_id = cli.live_pod()["id"]
    cli.somebody("stop")
    refused = cli.rpd("run", "b.yaml", "--sandbox")
    assert refused.returncode == 6 and "rpd resume a-" in refused.stderr, "results may wait in it"
    cli.call("DELETE", f"/v2/pods/{pod_id}")
    second = cli.rpd("run", "b.yaml", "--sandbox")
    assert second.returncode == 0, second.stderr
    assert "/src by run a-" in second.stderr


def test_validate_warns_of_a_place_that_every_run_uses(cli: CommandLine) -> None:
    cli.job(mounted(cli, "a"))
    done = cli.rpd("validate", "job.yaml")
    assert done.returncode == 0, done.stderr
    assert "/workspace/src on the network volume is held by one run at a time" in done.stderr
    document = mounted(cli, "a")
    document["staging"][0]["destination"] = "/workspace/{run_id}/src"
    cli.job(document)
    assert "held by one run" not in cli.rpd("validate", "job.yaml").stderr
