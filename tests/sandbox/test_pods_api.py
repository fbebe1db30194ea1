"""The rules of /v2/pods: strict bodies, lax queries, paging, keys, the market."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rpd.adapters.sandbox import daemon

pytestmark = pytest.mark.sandbox

STOCK_TEXT = "no longer any instances available"


@pytest.mark.parametrize(
    ("changes", "status", "line"),
    [
        ({"spotPrice": 1}, 422, "$: additional properties 'spotPrice' not allowed"),
        ({"name": None}, 422, "$: missing property 'name'"),
        ({"image": None}, 422, "$: missing property 'image'"),
        ({"gpu": {"id": "NVIDIA GeForce RTX 4090", "count": "1"}}, 422, "$.gpu.count: got string, want integer"),
        ({"gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 0}}, 422, "$.gpu.count: minimum: got 0, want 1"),
        ({"mounts": {"persistent": {"size": 5, "path": "/w"}}}, 422, "$.mounts.persistent.size: minimum"),
        ({"mounts": {"persistent": {"size": 10}}}, 422, "$.mounts.persistent: missing property 'path'"),
        ({"env": {"A": 1}}, 422, "$.env.A: got number, want string"),
        ({"cloud": "ALL"}, 422, "$.cloud: value must be one of"),
        ({"cpu": {"id": "cpu3c", "vcpuCount": 2}}, 400, "exactly one of gpu or cpu"),
        ({"gpu": None}, 400, "exactly one of gpu or cpu"),
        ({"gpu": {"id": "NVIDIA GeForce RTX 4090"}}, 400, STOCK_TEXT),
        ({"disk": None}, 400, "disk size"),
        ({"dataCenterIds": ["nowhere"]}, 400, STOCK_TEXT),
        ({"gpu": {"id": "unknown", "count": 1}}, 400, STOCK_TEXT),
        ({"gpu": {"id": "NVIDIA GeForce RTX 3070", "count": 1}}, 400, STOCK_TEXT),
        ({"gpu": {"id": "no such thing", "count": 1}}, 400, "does not exist"),
        ({"gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 1, "minCudaVersion": "99.0"}}, 400, STOCK_TEXT),
        ({"image": "missing/image:1"}, 422, "not found in its registry"),
        ({"ports": ["22/udp"]}, 400, "invalid port"),
        ({"ports": [f"{8000 + n}/http" for n in range(11)]}, 400, "http ports"),
        ({"env": {f"V{n}": "x" for n in range(51)}}, 400, "environment variables"),
        ({"mounts": {"network": [{"volumeId": "nope", "path": "/w"}]}}, 404, "network volume not found"),
        ({"templateId": "nope"}, 404, "template not found"),
        ({"env": {"BIG": "x" * 103_000}}, 413, "exceeds"),
    ],
)
def test_create_refuses(sandbox: Any, changes: dict[str, Any], status: int, line: str) -> None:
    answer = sandbox("POST", "/v2/pods", json=sandbox.order(**changes))
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert line.lower() in " ".join([problem["detail"], *problem.get("errors", [])]).lower()
    assert bool(problem.get("errors")) == (line.startswith("$"))
    assert sandbox.names() == []


def test_pod_ids_and_defaults(sandbox: Any) -> None:
    pod = sandbox.create(env={"PUBLIC_KEY": "k", "SECRET": "shown"})
    assert re.fullmatch(r"[a-z0-9]{14}", pod["id"])
    assert (pod["status"], pod["dataCenterId"], pod["runtime"], pod["cost"]) == ("PROVISIONING", None, None, 0.69)
    assert pod["env"]["SECRET"] == "shown"
    assert "RUNPOD_API_KEY" not in pod["env"]
    assert sandbox.create(templateId="runpod-torch-v280", image=None, disk=None)["disk"] == 50


def test_names_are_not_unique_and_lists_page_newest_first(sandbox: Any) -> None:
    ids = [sandbox.create(name=name)["id"] for name in ("a", "b", "b")]
    page = sandbox("GET", "/v2/pods?limit=2&desiredStatus=nonsense").json()
    assert [pod["id"] for pod in page["pods"]] == ids[:0:-1]
    assert page["pagination"]["hasNextPage"]
    rest = sandbox("GET", f"/v2/pods?limit=2&cursor={page['pagination']['nextCursor']}").json()
    assert [pod["id"] for pod in rest["pods"]] == ids[:1]
    assert rest["pagination"] == {"nextCursor": None, "hasNextPage": False}


def test_address_with_and_without_the_version(sandbox: Any) -> None:
    assert sandbox("GET", "/pods").json()["pods"] == []


def test_keys(sandbox: Any) -> None:
    assert sandbox.with_key("wrong")("GET", "/v2/pods").status_code == 401
    missing = sandbox("GET", "/v2/pods", headers={"Authorization": None})
    assert (missing.status_code, missing.json()["detail"]) == (401, "missing bearer token")
    assert sandbox.with_key("wrong")("GET", "/sandbox/truth").status_code == 401
    blocked = sandbox("GET", "/v2/pods", headers={"User-Agent": "Python-urllib/3.11"})
    assert blocked.status_code == 403
    assert "error code: 1010" in blocked.text
    assert blocked.headers["content-type"].startswith("text/html")


def test_scoped_key_reaches_its_own_pod_only(sandbox: Any) -> None:
    own, other = sandbox.create(), sandbox.create()
    client = sandbox.reach(own["id"])
    key = sandbox.run_in(client, "tr '\\0' '\\n' < /proc/1/environ | sed -n 's/^RUNPOD_API_KEY=//p'").strip()
    if not key:
        key = sandbox.run_in(client, "sed -n 's/.*RUNPOD_API_KEY=//p' /etc/rp_environment").strip().strip("\"'")
    client.close()
    pod = sandbox.with_key(key)
    assert pod("GET", f"/v2/pods/{own['id']}").status_code == 200
    for method, path in (
        ("GET", "/v2/pods"),
        ("POST", "/v2/pods"),
        ("GET", f"/v2/pods/{other['id']}"),
        ("DELETE", f"/v2/pods/{other['id']}"),
        ("PATCH", f"/v2/pods/{own['id']}"),
        ("GET", "/v2/catalog/gpus"),
        ("GET", "/sandbox/truth"),
    ):
        assert pod(method, path).status_code == 403, (method, path)
    action = f"/v2/pods/{own['id']}/action"
    assert pod("POST", action, json={"action": "restart"}).status_code == 403
    assert pod("POST", f"/v2/pods/{other['id']}/action", json={"action": "stop"}).status_code == 403
    assert pod("POST", action, json={"action": "stop"}).status_code == 200
    assert pod("POST", action, json={"action": "terminate"}).status_code == 204
    assert pod("GET", f"/v2/pods/{own['id']}").status_code == 401
    assert [one["id"] for one in sandbox("GET", "/v2/pods").json()["pods"]] == [other["id"]]


def test_method_not_allowed_names_the_allowed(sandbox: Any) -> None:
    answer = sandbox("PUT", "/v2/pods/x")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, GET, PATCH")


def test_locked_pod_and_wrong_actions(sandbox: Any) -> None:
    pod_id = sandbox.create()["id"]
    sandbox.until(pod_id, "RUNNING")
    assert sandbox.act(pod_id, "reset").status_code == 422
    assert sandbox.act(pod_id, "start").status_code == 409
    assert sandbox("PATCH", f"/v2/pods/{pod_id}", json={"locked": True}).json()["locked"]
    assert sandbox.act(pod_id, "stop").status_code == 409
    sandbox("PATCH", f"/v2/pods/{pod_id}", json={"locked": False})
    stopped = sandbox.act(pod_id, "stop").json()
    assert (stopped["status"], stopped["cost"], stopped["actions"]) == ("EXITED", 0.0, ["start", "terminate"])
    assert sandbox.act(pod_id, "stop").status_code == 409
    assert sandbox("PATCH", f"/v2/pods/{pod_id}", json={"mounts": {"network": []}}).status_code == 400
    grown = {"mounts": {"persistent": {"size": 30, "path": "/workspace"}}}
    assert sandbox("PATCH", f"/v2/pods/{pod_id}", json=grown).json()["mounts"] == grown["mounts"]


def test_stock_prices_and_balance_can_be_moved(sandbox: Any) -> None:
    gpu = "NVIDIA GeForce RTX 4090"
    daemon.play(sandbox.home, {"stock": {gpu: {"*": "NONE", "EU-RO-1": "LOW"}}, "prices": {gpu: {"secure": 2.5}}})
    assert STOCK_TEXT in sandbox("POST", "/v2/pods", json=sandbox.order(dataCenterIds=["US-KS-2"])).json()["detail"]
    pod = sandbox.create()
    assert pod["cost"] == 2.5
    assert sandbox.until(pod["id"], "RUNNING")["dataCenterId"] == "EU-RO-1"
    shown = sandbox("GET", f"/v2/catalog/gpus/{gpu}?include=AVAILABILITY&product=POD").json()
    assert (shown["availability"], shown["price"]["secure"]) == ("LOW", 2.5)
    daemon.play(sandbox.home, {"balance_usd": 1})
    assert sandbox("POST", "/v2/pods", json=sandbox.order()).status_code == 402


def test_system_log_resumes(sandbox: Any) -> None:
    pod_id = sandbox.create()["id"]
    sandbox.until(pod_id, "RUNNING")

    def first_events(**more: Any) -> list[str]:
        answer = sandbox("GET", f"/v2/pods/{pod_id}/logs?source=system", stream=True, **more)
        lines = answer.iter_lines(decode_unicode=True)
        found = [next(lines) for _ in range(5)]
        answer.close()
        return found

    lines = first_events()
    assert lines[0].startswith("id: ")
    assert "create container" in lines[1]
    resumed = first_events(headers={"Last-Event-ID": lines[0].removeprefix("id: ")})
    assert resumed[:2] == lines[3:5]
    assert sandbox("GET", f"/v2/pods/{pod_id}/logs?source=moon").status_code == 422
