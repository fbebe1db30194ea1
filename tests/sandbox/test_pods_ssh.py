"""A pod for real: billed from the create, reached at its boot time, stopped, started elsewhere, deleted."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rpd.adapters.sandbox import daemon

pytestmark = pytest.mark.sandbox


def test_create_reach_stop_start_delete(sandbox: Any) -> None:
    boot = 1.5
    daemon.play(sandbox.home, {"boot_seconds": boot})
    begun = time.monotonic()
    pod_id = sandbox.create()["id"]
    accepted = time.monotonic()
    address = sandbox.wait_for(lambda: sandbox.pod(pod_id)["ssh"]["direct"])
    assert sandbox.login(address["port"]) is None, "the address is shown before sshd answers"
    client = sandbox.reach(pod_id)
    reached = time.monotonic()
    assert reached - begun >= boot
    assert reached - accepted < boot + 0.5
    assert sandbox.run_in(client, "nvidia-smi -L | wc -l; echo $HOME").split() == ["1", "/root"]
    sandbox.run_in(client, "echo kept > /workspace/f; echo lost > /root/f; setsid sleep 1000 > /dev/null 2>&1 & echo")
    first_key = client.get_transport().get_remote_server_key().get_base64()
    client.close()

    assert sandbox.act(pod_id, "stop").json()["status"] == "EXITED"
    stopped = sandbox.true_pods()[pod_id]
    assert reached - begun <= stopped["billed_seconds"] + 0.02
    assert stopped["billed_seconds"] <= time.monotonic() - begun
    assert boot <= stopped["boot_seconds"] < boot + 0.3
    assert sandbox.login(address["port"]) is None

    sandbox.fault("F20", options={"seconds": "0.3"})
    started = sandbox.act(pod_id, "start").json()
    assert started["ssh"]["direct"]["port"] == address["port"], "the old address is shown for a while"
    back = sandbox.reach(pod_id)
    assert back.get_transport().getpeername()[1] != address["port"]
    assert back.get_transport().get_remote_server_key().get_base64() != first_key
    assert sandbox.run_in(back, "cat /workspace/f /root/f 2>/dev/null") == "kept\n"
    back.close()

    assert sandbox("DELETE", f"/v2/pods/{pod_id}").status_code == 204
    assert sandbox("GET", f"/v2/pods/{pod_id}").status_code == 404
    assert sandbox.names() == []
    gone = sandbox.true_pods()[pod_id]
    assert (gone["status"], gone["ssh_logins"]) == ("TERMINATED", 2)
    assert sandbox.true_pods()[pod_id]["billed_seconds"] == gone["billed_seconds"]
    assert not (sandbox.home / "pods" / pod_id).exists()


def test_network_volume_outlives_pods(sandbox: Any) -> None:
    body = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
    volume = sandbox("POST", "/v2/network-volumes", json=body).json()["id"]
    mounts = {"network": [{"volumeId": volume, "path": "/workspace"}]}
    for command, printed in (("echo data > /workspace/f; echo", "\n"), ("cat /workspace/f", "data\n")):
        pod_id = sandbox.create(mounts=mounts)["id"]
        client = sandbox.reach(pod_id)
        assert sandbox.run_in(client, command) == printed
        client.close()
        sandbox("DELETE", f"/v2/pods/{pod_id}")


def test_job_starts_are_counted_by_the_outside(sandbox: Any) -> None:
    (sandbox.home / "starts.tsv").write_text("run-a\t1\nrun-a\t1\nrun-a\t2\nrun-b\t1\n")
    assert daemon.truth(sandbox.home)["jobs"] == {"run-a": {"1": 2, "2": 1}, "run-b": {"1": 1}}


def test_container_log_is_streamed(sandbox: Any) -> None:
    pod_id = sandbox.create(args="sh -c 'echo hello from the container; sleep 1000'")["id"]
    answer = sandbox("GET", f"/v2/pods/{pod_id}/logs?source=container", stream=True)
    lines = answer.iter_lines(decode_unicode=True)
    assert "hello from the container" in next(line for line in lines if line.startswith("data: "))
    answer.close()
    stopped = sandbox.act(pod_id, "stop")
    assert stopped.status_code == 200
