"""Each fault looks as it does on RunPod, and the ledger knows what really happened."""

from __future__ import annotations

import time
from typing import Any

import paramiko
import pytest
import requests

from rpd.adapters.sandbox import daemon
from rpd.engine.errors import UserError

pytestmark = pytest.mark.sandbox

STOCK_TEXT = "no longer any instances available"


def post(sandbox: Any, **changes: Any) -> requests.Response:
    return sandbox("POST", "/v2/pods", json=sandbox.order(**changes), timeout=5)


@pytest.mark.parametrize(
    ("fault_id", "options", "status", "text"),
    [
        ("F1", {}, 400, STOCK_TEXT),
        ("F2", {"because": "disk"}, 400, STOCK_TEXT),
        ("F3", {}, 400, STOCK_TEXT),
        ("F4", {}, 400, "disk size"),
        ("F5", {}, 422, "not found in its registry"),
        ("F6", {"line": "$: odd"}, 422, "$: odd"),
        ("F8", {}, 402, "Insufficient balance"),
        ("F8", {"how": "pool"}, 403, "GPU pool"),
        ("F9", {}, 401, "invalid bearer token"),
        ("F9", {"how": "scope"}, 403, "access denied"),
        ("F10", {}, 403, "error code: 1010"),
        ("F11", {}, 429, "rate limit exceeded"),
        ("F13", {}, 500, "Something went wrong"),
        ("F13", {"how": "502"}, 502, "Something went wrong"),
        ("F33", {"how": "503"}, 503, "<html>"),
        ("F35", {}, 400, '"error":'),
    ],
)
def test_refused_create_leaves_nothing(
    sandbox: Any, fault_id: str, options: dict[str, str], status: int, text: str
) -> None:
    sandbox.fault(fault_id, options=options)
    answer = post(sandbox)
    assert answer.status_code == status
    assert text in answer.text
    assert sandbox.true_pods() == {}
    assert post(sandbox).status_code == 201


@pytest.mark.parametrize("how", ["500", "502", "drop", "timeout", "truncated"])
def test_ambiguous_create_makes_the_pod(sandbox: Any, how: str) -> None:
    sandbox.fault("F12", options={"how": how, "seconds": "0.2"})
    if how in ("500", "502"):
        assert post(sandbox).status_code == int(how)
    else:
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            post(sandbox)
    assert sandbox.names() == ["rpd-test"]


def test_late_pods(sandbox: Any) -> None:
    sandbox.fault("F12", options={"delay": "0.3"})
    assert post(sandbox, name="late").status_code == 500
    assert sandbox.names() == []
    sandbox.fault("F13", options={"delay": "0.3", "how": "502"})
    assert post(sandbox, name="later").status_code == 502
    sandbox.fault("F15", options={"delay": "0.3"})
    assert post(sandbox, name="twin").status_code == 201
    sandbox.wait_for(lambda: sorted(sandbox.names()) == ["late", "later", "twin", "twin"])


def test_new_pod_is_not_found_for_a_while(sandbox: Any) -> None:
    sandbox.fault("F14", options={"lag": "0.3"})
    pod_id = sandbox.create()["id"]
    assert sandbox("GET", f"/v2/pods/{pod_id}").status_code == 404
    assert sandbox("DELETE", f"/v2/pods/{pod_id}").status_code == 404
    assert sandbox.names() == []
    sandbox.wait_for(lambda: sandbox.names() == ["rpd-test"])


def test_counts_and_targets(sandbox: Any) -> None:
    sandbox.fault("F1", times=2, after=1)
    assert [post(sandbox).status_code for _ in range(4)] == [201, 400, 400, 201]
    sandbox.fault("F1", options={"gpu": "NVIDIA L4"})
    assert post(sandbox).status_code == 201
    assert post(sandbox, gpu={"id": "NVIDIA L4", "count": 1}).status_code == 400
    sandbox.fault("F1", times=0)
    assert [post(sandbox).status_code for _ in range(3)] == [400, 400, 400]
    daemon.clear_faults(sandbox.home, "F1")
    assert post(sandbox).status_code == 201
    sandbox.fault("F33", options={"on": "get"})
    assert sandbox("GET", "/v2/pods").status_code == 200
    assert sandbox("GET", "/v2/pods/x").status_code == 502


@pytest.mark.parametrize(
    ("fault_id", "options"), [("F99", {}), ("F12", {"hwo": "500"}), ("F12", {"how": "maybe"}), ("F14", {"lag": "long"})]
)
def test_nonsense_is_refused(sandbox: Any, fault_id: str, options: dict[str, str]) -> None:
    with pytest.raises(UserError):
        sandbox.fault(fault_id, options=options)


def test_storm_ends(sandbox: Any) -> None:
    sandbox.fault("F11", options={"seconds": "0.4", "window": "hour"})
    answer = sandbox("GET", "/v2/pods")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert '"hour";r=0;' in answer.headers["RateLimit"]
    assert sandbox("GET", "/v2/catalog/gpus").status_code == 429
    sandbox.wait_for(lambda: sandbox("GET", "/v2/pods").status_code == 200)


def test_stuck_boot(sandbox: Any) -> None:
    sandbox.fault("F16", options={"seconds": "0.3"})
    sandbox.fault("F16", options={"at": "STARTING", "log": "pull"})
    first, second = sandbox.create()["id"], sandbox.create()["id"]
    assert sandbox.until(first, "PROVISIONING")["runtime"] is None
    sandbox.until(second, "STARTING")
    sandbox.until(first, "RUNNING")
    assert sandbox.pod(second)["status"] == "STARTING"
    lines = sandbox("GET", f"/v2/pods/{second}/logs?source=system", stream=True).iter_lines()
    assert any(b"toomanyrequests" in next(lines) for _ in range(9))
    assert sandbox("DELETE", f"/v2/pods/{second}").status_code == 204


@pytest.mark.parametrize(
    ("fault_id", "how", "shown"), [("F17", "null", None), ("F17", "empty", {}), ("F36", None, "no address")]
)
def test_running_but_not_there(sandbox: Any, fault_id: str, how: str | None, shown: Any) -> None:
    sandbox.fault(fault_id, options={"how": how, "seconds": "4"} if how else {"seconds": "4"})
    pod_id = sandbox.create()["id"]
    pod = sandbox.until(pod_id, "RUNNING")
    if fault_id == "F17":
        assert pod["runtime"] == shown
    else:
        assert (pod["runtime"]["uptime"], pod["ssh"]["direct"]) == (0, None)
    sandbox.wait_for(lambda: sandbox.pod(pod_id)["runtime"] and sandbox.pod(pod_id)["ssh"]["direct"])


def test_no_address(sandbox: Any) -> None:
    sandbox.fault("F18")
    pod_id = sandbox.create()["id"]
    without_port = sandbox.create(ports=["8888/http"])["id"]
    for one in (pod_id, without_port):
        assert sandbox.until(one, "RUNNING")["ssh"]["direct"] is None
    daemon.clear_faults(sandbox.home)
    sandbox.wait_for(lambda: sandbox.pod(pod_id)["ssh"]["direct"])
    assert sandbox.pod(without_port)["ssh"]["direct"] is None


@pytest.mark.parametrize("how", ["refuse", "nobanner", "close", "auth"])
def test_sshd_misbehaves_then_heals(sandbox: Any, how: str) -> None:
    sandbox.fault("F19", options={"how": how})
    pod_id = sandbox.create()["id"]
    sandbox.wait_for(lambda: sandbox.true_pods()[pod_id]["boot_seconds"] > 0.05)
    port = sandbox.pod(pod_id)["ssh"]["direct"]["port"]
    assert sandbox.login(port) is None
    daemon.clear_faults(sandbox.home, "F19")
    sandbox.reach(pod_id).close()
    assert sandbox.true_pods()[pod_id]["ssh_logins"] == 1


def test_start_faults(sandbox: Any) -> None:
    pod_id = sandbox.create()["id"]
    sandbox.until(pod_id, "RUNNING")
    sandbox.act(pod_id, "stop")
    sandbox.fault("F21")
    refused = sandbox.act(pod_id, "start")
    assert (refused.status_code, sandbox.pod(pod_id)["status"]) == (400, "EXITED")
    assert "not enough free GPUs on the host machine" in refused.text
    sandbox.fault("F22")
    assert sandbox.act(pod_id, "start").json()["gpu"]["count"] == 0
    client = sandbox.reach(pod_id)
    assert "GPU 0" not in sandbox.run_in(client, "nvidia-smi -L")
    client.close()
    for fault_id, status in (("F23", 409), ("F24", 422)):
        sandbox.fault(fault_id)
        assert sandbox.act(pod_id, "stop").status_code == status
    assert sandbox.act(pod_id, "stop").status_code == 200


def test_crash_loop(sandbox: Any) -> None:
    sandbox.fault("F25", options={"every": "0.1"})
    pod_id = sandbox.create()["id"]
    sandbox.until(pod_id, "RUNNING")
    lines = sandbox("GET", f"/v2/pods/{pod_id}/logs?source=system", stream=True).iter_lines()
    assert any(b"exited with code 1" in next(lines) for _ in range(15))
    assert sandbox.pod(pod_id)["status"] == "RUNNING"


@pytest.mark.parametrize(("how", "status"), [("stop", "EXITED"), ("delete", "TERMINATED")])
def test_somebody_else(sandbox: Any, how: str, status: str) -> None:
    sandbox.fault("F26", options={"how": how, "at": "running", "delay": "0.1"})
    pod_id = sandbox.create()["id"]
    sandbox.wait_for(lambda: sandbox.true_pods()[pod_id]["status"] == status)
    assert sandbox("GET", f"/v2/pods/{pod_id}").status_code == (200 if how == "stop" else 404)
    before = sandbox.true_pods()[pod_id]["billed_seconds"]
    assert sandbox.true_pods()[pod_id]["billed_seconds"] == before


def test_somebody_else_in_mid_run(sandbox: Any) -> None:
    first, second = sandbox.create()["id"], sandbox.create()["id"]
    for one in (first, second):
        sandbox.until(one, "RUNNING")
    sandbox.fault("F26", pod=second)
    sandbox.until(second, "EXITED")
    assert sandbox.pod(first)["status"] == "RUNNING"


@pytest.mark.parametrize(
    ("options", "is_there"),
    [({}, True), ({"done": "no"}, False), ({"how": "drop"}, True), ({"how": "truncated", "delay": "0.3"}, True)],
)
def test_the_answer_to_a_new_volume_is_lost(sandbox: Any, options: dict[str, str], is_there: bool) -> None:
    body = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
    sandbox.fault("F41", options=options)
    if options.get("how", "500") == "500":
        assert sandbox("POST", "/v2/network-volumes", json=body).status_code == 500
    else:
        with pytest.raises(requests.RequestException):
            sandbox("POST", "/v2/network-volumes", json=body)

    def listed() -> bool:
        return bool(sandbox("GET", "/v2/network-volumes").json()["networkVolumes"])

    if "delay" in options:
        assert not listed()
        sandbox.wait_for(listed)
    assert listed() is is_there


def test_a_volume_is_not_deleted_although_it_was_said(sandbox: Any) -> None:
    body = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
    path = f"/v2/network-volumes/{sandbox('POST', '/v2/network-volumes', json=body).json()['id']}"
    sandbox.fault("F41", options={"on": "delete", "how": "ignored"})
    sandbox.fault("F41", options={"on": "grow", "done": "no"})
    assert sandbox("DELETE", path).status_code == 204
    assert sandbox("PATCH", path, json={"size": 20}).status_code == 500
    assert sandbox("GET", path).json()["size"] == 10
    assert sandbox("DELETE", path).status_code == 204
    assert sandbox("GET", path).status_code == 404


def test_balance_zero(sandbox: Any) -> None:
    body = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
    volume = sandbox("POST", "/v2/network-volumes", json=body).json()["id"]
    kept = sandbox.create(mounts={"network": [{"volumeId": volume, "path": "/workspace"}]})["id"]
    gone = sandbox.create()["id"]
    sandbox.fault("F27", pod=gone)
    sandbox.wait_for(lambda: sandbox.true_pods()[gone]["status"] == "TERMINATED")
    sandbox.until(kept, "EXITED")
    assert sandbox.act(kept, "start").status_code == 402
    assert post(sandbox).status_code == 402


def test_host_down_and_back(sandbox: Any) -> None:
    pod_id = sandbox.create()["id"]
    client = sandbox.reach(pod_id)
    sandbox.run_in(client, "echo kept > /workspace/f; echo lost > /root/f")
    sandbox.fault("F28", pod=pod_id, options={"seconds": "0.3"})
    sandbox.wait_for(lambda: not client.get_transport().is_active())
    assert sandbox.pod(pod_id)["status"] == "RUNNING"
    back = sandbox.reach(pod_id)
    assert sandbox.run_in(back, "cat /workspace/f /root/f 2>/dev/null") == "kept\n"
    back.close()


@pytest.mark.parametrize(
    ("how", "status", "really"),
    [
        ("5xx", 500, "TERMINATED"),
        ("late404", 404, "RUNNING"),
        ("ignored", 204, "RUNNING"),
        ("linger", 204, "TERMINATED"),
    ],
)
def test_delete_lies(sandbox: Any, how: str, status: int, really: str) -> None:
    pod_id = sandbox.create()["id"]
    sandbox.until(pod_id, "RUNNING")
    sandbox.fault("F29", options={"how": how, "seconds": "1.5"} if how == "linger" else {"how": how})
    assert sandbox("DELETE", f"/v2/pods/{pod_id}").status_code == status
    assert sandbox.true_pods()[pod_id]["status"] == really
    if how == "linger":
        assert sandbox("GET", f"/v2/pods/{pod_id}").status_code == 200
        sandbox.wait_for(lambda: sandbox("GET", f"/v2/pods/{pod_id}").status_code == 404)
    elif how == "5xx":
        assert sandbox("DELETE", f"/v2/pods/{pod_id}").status_code == 404


def test_stop_that_does_nothing(sandbox: Any) -> None:
    pod_id = sandbox.create()["id"]
    sandbox.until(pod_id, "RUNNING")
    sandbox.fault("F29", options={"on": "stop", "how": "ignored"})
    assert sandbox.act(pod_id, "stop").status_code == 200
    assert sandbox.pod(pod_id)["status"] == "RUNNING"


def test_stop_and_start_that_are_done_or_not_without_saying_so(sandbox: Any) -> None:
    pod_id = sandbox.create()["id"]
    sandbox.until(pod_id, "RUNNING")
    sandbox.fault("F29", options={"on": "stop"})
    assert sandbox.act(pod_id, "stop").status_code == 500
    assert sandbox.true_pods()[pod_id]["status"] == "EXITED"
    sandbox.fault("F29", options={"on": "start", "how": "ignored"})
    assert sandbox.act(pod_id, "start").status_code == 200
    assert sandbox.true_pods()[pod_id]["status"] == "EXITED"
    sandbox.fault("F29", options={"on": "start"})
    assert sandbox.act(pod_id, "start").status_code == 500
    sandbox.until(pod_id, "RUNNING")


def test_a_container_that_ends_once_is_restarted_in_its_place(sandbox: Any) -> None:
    pod_id = sandbox.create()["id"]
    client = sandbox.reach(pod_id)
    before = sandbox.pod(pod_id)
    first_key = client.get_transport().get_remote_server_key().get_base64()
    sandbox.run_in(client, "echo kept > /workspace/f; echo lost > /root/f")
    sandbox.fault("F25", pod=pod_id, options={"how": "once"})
    sandbox.wait_for(lambda: not client.get_transport().is_active())
    back = sandbox.reach(pod_id)
    assert sandbox.run_in(back, "cat /workspace/f /root/f 2>/dev/null") == "kept\n"
    assert back.get_transport().get_remote_server_key().get_base64() != first_key
    after = sandbox.pod(pod_id)
    assert [after[name] for name in ("status", "ssh", "startedAt")] == [
        before[name] for name in ("status", "ssh", "startedAt")
    ]
    back.close()


def test_a_link_that_breaks_leaves_the_pod_alone(sandbox: Any) -> None:
    pod_id = sandbox.create()["id"]
    client = sandbox.reach(pod_id)
    port = sandbox.pod(pod_id)["ssh"]["direct"]["port"]
    sandbox.run_in(client, "sh -c 'echo $$ > /root/pid; exec sleep 1000' > /dev/null 2>&1 &")
    sandbox.fault("F40", pod=pod_id)
    sandbox.wait_for(lambda: not client.get_transport().is_active())
    assert sandbox.login(port) is None
    daemon.clear_faults(sandbox.home, "F40")
    back = sandbox.reach(pod_id)
    assert sandbox.run_in(back, "kill -0 $(cat /root/pid) && echo alive") == "alive\n"
    sandbox.fault("F40", pod=pod_id, options={"seconds": "0.2"})
    sandbox.wait_for(lambda: not back.get_transport().is_active())
    sandbox.reach(pod_id).close()


def test_a_link_stays_broken_for_as_long_as_the_last_fault_says(sandbox: Any) -> None:
    """An earlier fault that was cleared, and whose seconds are over, mends nothing."""
    pod_id = sandbox.create()["id"]
    client = sandbox.reach(pod_id)
    port = sandbox.pod(pod_id)["ssh"]["direct"]["port"]
    sandbox.fault("F40", pod=pod_id, options={"seconds": "0.5"})
    sandbox.wait_for(lambda: not client.get_transport().is_active())
    daemon.clear_faults(sandbox.home, "F40")
    sandbox.fault("F40", pod=pod_id, options={"seconds": "3"})
    sandbox.wait_for(lambda: sandbox.login(port) is None)
    began = time.monotonic()
    back = sandbox.wait_for(lambda: sandbox.login(port))
    assert time.monotonic() - began > 1.5
    back.close()


def test_a_link_that_breaks_before_sshd_answers_is_not_mended_by_the_boot(sandbox: Any) -> None:
    daemon.play(sandbox.home, {"boot_seconds": 1.0})
    sandbox.fault("F40", options={"seconds": "3"})
    pod_id = sandbox.create()["id"]
    sandbox.until(pod_id, "RUNNING")
    began = time.monotonic()
    sandbox.reach(pod_id).close()
    assert time.monotonic() - began > 1.5, "the rest of the boot takes half a second"


def test_sshd_allows_few_sessions(sandbox: Any) -> None:
    sandbox.fault("F42", options={"sessions": "2"})
    pod_id = sandbox.create()["id"]
    client = sandbox.reach(pod_id)
    held = [client.exec_command("read x") for _ in range(2)]
    with pytest.raises(paramiko.ChannelException):
        client.exec_command("true")
    daemon.clear_faults(sandbox.home, "F42")
    assert sandbox.run_in(client, "echo room") == "room\n"
    assert len(held) == 2
    client.close()


def test_logs_withheld_and_cut(sandbox: Any) -> None:
    pod_id = sandbox.create()["id"]
    path = f"/v2/pods/{pod_id}/logs?source=system"
    sandbox.fault("F31")
    with pytest.raises(requests.exceptions.ReadTimeout):
        sandbox("GET", path, stream=True, timeout=0.3)
    sandbox.fault("F31", options={"how": "cut"})
    assert not sandbox("GET", path, timeout=5).text.endswith("\n\n")


def test_paging_drift_and_late_bills(sandbox: Any) -> None:
    for _ in range(2):
        sandbox.create()
    sandbox.fault("F32")
    page = sandbox("GET", "/v2/pods").json()
    assert (len(page["pods"]), page["pagination"]["hasNextPage"]) == (1, True)
    sandbox.fault("F32", options={"how": "absent"})
    assert "pagination" not in sandbox("GET", "/v2/pods").json()
    pod_id = page["pods"][0]["id"]
    for how, field, value in (("status", "status", "MIGRATING"), ("null", "ssh", None), ("extra", "telemetry", {})):
        sandbox.fault("F34", options={"how": how})
        shown = sandbox.pod(pod_id)[field]
        assert (shown is not None) if how == "extra" else shown == value
    sandbox.fault("F37")
    assert sandbox("GET", "/v2/billing/pods").json()["records"] == []
    assert len(sandbox("GET", "/v2/billing/pods").json()["records"]) == 2


def test_every_fault_is_listed_with_words() -> None:
    listed = daemon.faults()
    ids = {item["id"] for item in listed}
    assert {f"F{n}" for n in (*range(1, 30), 31, 32, 33, 34, 35, 36, 37, 38)} <= ids | {"F7"}
    assert all(item["description"] and item["occasion"] for item in listed)


def test_catalog_refusal(sandbox: Any) -> None:
    sandbox.fault("F7")
    assert sandbox("GET", "/v2/catalog/gpus").status_code == 400
    assert sandbox("GET", "/v2/catalog/gpus").status_code == 200


def test_scenarios_that_come_along(sandbox: Any) -> None:
    from pathlib import Path

    daemon.up(sandbox.home, scenario=Path("scarce"))
    assert [post(sandbox).status_code for _ in range(3)] == [400, 400, 201]
    file = sandbox.home / "mine.yaml"
    file.write_text("boot_seconds: 0.01\nfaults:\n  - {id: F13, set: {how: '502'}}\n")
    daemon.up(sandbox.home, scenario=file)
    assert post(sandbox).status_code == 502
    with pytest.raises(UserError):
        daemon.up(sandbox.home, scenario=Path("nonsense"))
