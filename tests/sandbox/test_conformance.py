"""Every answer of the routes rpd uses matches the published schema of that route and status."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import requests

from rpd.adapters.sandbox.cloud import state_file
from tests.sandbox.conftest import GPU, IMAGE

pytestmark = pytest.mark.sandbox

SPEC = json.loads((Path(__file__).parents[1] / "data" / "runpod-openapi.json").read_text(encoding="utf-8"))
ROUTES = sorted(SPEC["paths"], key=lambda path: path.count("{"))


def check(answer: requests.Response) -> requests.Response:
    """The answer, after it was held against the spec."""
    path = urlsplit(answer.request.url).path
    template = next(route for route in ROUTES if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", route), path))
    operation = SPEC["paths"][template].get(answer.request.method.lower(), {"responses": {}})
    response = operation["responses"].get(str(answer.status_code)) or operation["responses"].get("default", {})
    if "$ref" in response:
        response = SPEC["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    assert answer.headers["x-request-id"]
    content = response.get("content", {})
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        schema = {"$ref": "#/components/schemas/ErrorResponse"}
        assert answer.json()["status"] == answer.status_code
    elif not content:
        assert answer.content == b""
        return answer
    else:
        kind = answer.headers["content-type"].partition(";")[0]
        schema = content[kind]["schema"]
    if answer.status_code != 401:
        assert answer.headers["RateLimit"].startswith('"minute";r=')
        assert answer.headers["RateLimit-Policy"].startswith('"minute";q=')
    document = answer.json() if "json" in answer.headers["content-type"] else answer.text
    format_checker = jsonschema.FormatChecker()
    jsonschema.Draft202012Validator(
        {**schema, "components": SPEC["components"]}, format_checker=format_checker
    ).validate(document)
    return answer


@pytest.fixture
def call(sandbox: Any) -> Callable[..., requests.Response]:
    """Calls the API and checks the answer."""
    return lambda method, path, **more: check(sandbox(method, path, **more))


def test_life_of_a_pod(sandbox: Any, call: Callable[..., requests.Response]) -> None:
    pod_id = call("POST", "/v2/pods", json=sandbox.order()).json()["id"]
    seen: set[str] = set()

    def watch() -> bool:
        pod = call("GET", f"/v2/pods/{pod_id}").json()
        seen.add(pod["status"])
        call("GET", "/v2/pods")
        return pod["ssh"]["direct"] is not None

    sandbox.wait_for(watch)
    assert "RUNNING" in seen
    call("PATCH", f"/v2/pods/{pod_id}", json={"name": "renamed"})
    for action, status in (("restart", 200), ("stop", 200), ("stop", 409), ("start", 200), ("terminate", 204)):
        answer = call("POST", f"/v2/pods/{pod_id}/action", json={"action": action})
        assert answer.status_code == status, (action, answer.text)
        if action in ("restart", "start"):
            sandbox.until(pod_id, "RUNNING")
    assert call("GET", f"/v2/pods/{pod_id}").status_code == 404
    assert call("DELETE", f"/v2/pods/{pod_id}").status_code == 404
    assert call("GET", "/v2/billing/pods?bucketSize=hour&lastN=2").json()["metadata"]["uniquePodCount"] == 1
    assert call("GET", f"/v2/billing/pods?podId={pod_id}").json()["records"][0]["gpuAmount"] > 0


def test_cpu_pod_and_network_volume(sandbox: Any, call: Callable[..., requests.Response]) -> None:
    body = {"name": "data", "size": 50, "dataCenter": "US-KS-2"}
    volume = call("POST", "/v2/network-volumes", json=body).json()
    path = f"/v2/network-volumes/{volume['id']}"
    call("GET", path)
    assert call("GET", "/v2/network-volumes").json()["networkVolumes"] == [volume]
    assert call("PATCH", path, json={"size": 60}).json()["size"] == 60
    assert call("PATCH", path, json={"size": 20}).status_code == 400
    order = sandbox.order(
        gpu=None,
        cpu={"id": "cpu3c", "vcpuCount": 4},
        mounts={"network": [{"volumeId": volume["id"], "path": "/data"}]},
    )
    pod = call("POST", "/v2/pods", json=order).json()
    assert pod["cpu"] == {"id": "cpu3c", "vcpuCount": 4, "memory": 8}
    assert call("DELETE", path).status_code == 400
    call("DELETE", f"/v2/pods/{pod['id']}")
    assert call("DELETE", path).status_code == 204
    assert call("GET", path).status_code == 404
    assert call("POST", "/v2/network-volumes", json={**body, "dataCenter": "nowhere"}).status_code == 400


def test_a_template_of_the_account(sandbox: Any, call: Callable[..., requests.Response]) -> None:
    registry = call("POST", "/v2/registries", json={"name": "r", "username": "u", "password": "secret-word"})
    assert registry.status_code == 201 and "secret-word" not in registry.text
    credentials = registry.json()
    body = {"name": "mine", "image": IMAGE, "env": {"A": "1", "B": "1"}, "ports": ["22/tcp"], "disk": 30}
    assert call("POST", "/v2/templates", json={**body, "registry": "nope"}).status_code == 400
    template = call("POST", "/v2/templates", json={**body, "registry": credentials["id"]}).json()
    path = f"/v2/templates/{template['id']}"
    assert template["startSsh"] and template["startJupyter"] and template["category"] == "NVIDIA"
    assert call("PATCH", path, json={"name": "renamed", "mounts": {}}).json()["name"] == "renamed"
    assert call("GET", "/v2/templates").json()["templates"] == [call("GET", path).json()]
    order = {"name": "of-a-template", "templateId": template["id"], "gpu": {"id": GPU, "count": 1}, "env": {"B": "2"}}
    pod = call("POST", "/v2/pods", json=order).json()
    assert (pod["image"], pod["disk"], pod["registry"]) == (IMAGE, 30, credentials["id"])
    assert {name: pod["env"][name] for name in "AB"} == {"A": "1", "B": "2"}
    assert call("DELETE", f"/v2/registries/{credentials['id']}").status_code == 400, "a pod names it"
    call("DELETE", f"/v2/pods/{pod['id']}")
    assert call("DELETE", path).status_code == 204 and call("GET", path).status_code == 404
    assert call("DELETE", f"/v2/registries/{credentials['id']}").status_code == 204
    assert call("GET", "/v2/registries").json()["registries"] == []


def test_a_serverless_template_makes_no_pod(sandbox: Any, call: Callable[..., requests.Response]) -> None:
    template = call("POST", "/v2/templates", json={"name": "s", "image": IMAGE, "serverless": True}).json()
    assert call("POST", "/v2/pods", json=sandbox.order(templateId=template["id"])).status_code == 422


def test_a_template_survives_a_restart_of_the_sandbox(sandbox: Any) -> None:
    template = sandbox("POST", "/v2/templates", json={"name": "kept", "image": IMAGE}).json()
    assert state_file.load(sandbox.home).templates == {template["id"]: template}


def test_a_locked_pod_is_neither_stopped_nor_restarted_nor_deleted(
    sandbox: Any, call: Callable[..., requests.Response]
) -> None:
    pod = sandbox.create()
    sandbox.until(pod["id"], "RUNNING")
    path = f"/v2/pods/{pod['id']}"
    call("PATCH", path, json={"locked": True})
    for action in ("stop", "restart", "terminate"):
        assert call("POST", f"{path}/action", json={"action": action}).status_code == 409, action
    assert call("DELETE", path).status_code == 409
    assert sandbox.true_pods()[pod["id"]]["status"] == "RUNNING"
    call("PATCH", path, json={"locked": False})
    assert call("DELETE", path).status_code == 204


UNSERVED = sorted(
    (method.upper(), re.sub(r"\{[^}]+\}", "an-id", path))
    for path, item in SPEC["paths"].items()
    for method in item
    if method in ("get", "post", "patch", "delete")
)


@pytest.mark.parametrize(("method", "path"), UNSERVED)
def test_every_operation_is_served_or_says_that_it_is_not(sandbox: Any, method: str, path: str) -> None:
    answer = sandbox(method, path, json={} if method in ("POST", "PATCH") else None, stream=True)
    is_served = answer.status_code in (200, 400, 404, 422)
    assert is_served or (answer.status_code == 501 and "does not serve" in answer.json()["detail"]), answer.status_code
    assert answer.status_code != 404 or "not found" in answer.json()["detail"] != "resource not found"
    answer.close()


@pytest.mark.parametrize(
    "path", ["clusters", "serverless/an-id/workers", "registries/delegations", "billing/endpoints"]
)
def test_an_area_that_is_not_served_says_so(sandbox: Any, path: str) -> None:
    answer = sandbox("GET", f"/v2/{path}")
    assert answer.status_code == 501 and "does not serve" in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["templates", "registries", "network-volumes", "catalog/gpus", "catalog/datacenters"])
def test_every_list_says_that_it_is_whole(call: Callable[..., requests.Response], path: str) -> None:
    assert call("GET", f"/v2/{path}").json()["pagination"] == {"nextCursor": None, "hasNextPage": False}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/v2/catalog/gpus", "gpus"),
        ("/v2/catalog/gpus?include=AVAILABILITY&product=POD&cloud=COMMUNITY&count=2", "gpus"),
        ("/v2/catalog/gpus/NVIDIA%20%20RTX%20A4500?include=AVAILABILITY&product=POD", "id"),
        ("/v2/catalog/gpus?include=AVAILABILITY&product=POD&countryCodes=FR,IS", "gpus"),
        ("/v2/catalog/cpus?include=AVAILABILITY&product=POD", "cpus"),
        ("/v2/catalog/cpus/cpu3c", "id"),
        ("/v2/catalog/datacenters?include=GPU_AVAILABILITY,CPU_AVAILABILITY", "dataCenters"),
        ("/v2/catalog/datacenters?regions=EUROPE&networkVolumeTypes=STANDARD", "dataCenters"),
        ("/v2/catalog/datacenters/EU-RO-1", "id"),
        ("/v2/catalog/templates", "templates"),
        ("/v2/account/ssh-keys", "keys"),
    ],
)
def test_reads(call: Callable[..., requests.Response], path: str, key: str) -> None:
    answer = call("GET", path)
    assert answer.status_code == 200
    assert key in answer.json()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v2/pods/nosuchpod", None, 404),
        ("GET", "/v2/pods?limit=0", None, 422),
        ("GET", "/v2/pods?cursor=foreign", None, 422),
        ("POST", "/v2/pods", {}, 422),
        ("PUT", "/v2/pods", {}, 405),
        ("GET", "/v2/catalog/gpus?include=AVAILABILITY", None, 400),
        ("GET", "/v2/catalog/gpus?product=POD", None, 400),
        ("GET", "/v2/catalog/gpus/nothing", None, 404),
        ("GET", "/v2/catalog/datacenters?include=EVERYTHING", None, 422),
        ("PUT", "/v2/account/ssh-keys", {"keys": ["no key"]}, 422),
        ("GET", "/v2/billing/pods?lastN=0", None, 422),
        ("GET", "/v2/billing/pods?lastN=2&startTime=2026-01-01T00:00:00Z", None, 400),
        ("GET", "/v2/pods/nosuchpod/logs", None, 404),
    ],
)
def test_errors(call: Callable[..., requests.Response], method: str, path: str, body: Any, status: int) -> None:
    assert call(method, path, json=body).status_code == status


def test_keys_are_replaced_as_a_whole(call: Callable[..., requests.Response]) -> None:
    for keys in (["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB"], ["ssh-rsa CCCC three"], []):
        assert call("PUT", "/v2/account/ssh-keys", json={"keys": keys}).json() == {"keys": keys}
        assert call("GET", "/v2/account/ssh-keys").json() == {"keys": keys}
