"""RunPod's own clients, as their registries have them, find the API that they know: its Python SDK, and its MCP server
over stdio. What they did is judged by the sandbox's truth.

Both speak REST v2 and take its address from `RUNPOD_API_BASE_URL`, so nothing stands between them and the sandbox. They
are installed into `build/clients` once; where that cannot be done, the tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pytest

from rpd.adapters.sandbox import daemon
from tests.sandbox.conftest import GPU, IMAGE, Sandbox, wait_for

SDK = "runpod==2.0.0rc2"
MCP = "@runpod/mcp-server@4.0.0"
NODE_LEAST = 20
"""What that version of the MCP server asks for."""
INSTALL_SECONDS = 240
CALL_SECONDS = 60
PLACES = Path(__file__).parents[2] / "build" / "clients"
PLACE = "EU-RO-1"

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, pytest.mark.timeout(INSTALL_SECONDS + 180)]


class RunPodClient(Protocol):
    """What a client is asked for; the answers are as it gives them."""

    def create_pod(self, name: str, volume_id: str) -> Any: ...
    def create_pod_of(self, name: str, template_id: str) -> Any: ...
    def pods(self) -> list[str]: ...
    def stop(self, pod_id: str) -> None: ...
    def start(self, pod_id: str) -> None: ...
    def delete_pod(self, pod_id: str) -> None: ...
    def create_volume(self, name: str, size: int) -> Any: ...
    def volumes(self) -> list[str]: ...
    def delete_volume(self, volume_id: str) -> None: ...
    def create_template(self, name: str) -> Any: ...
    def templates(self) -> list[str]: ...
    def delete_template(self, template_id: str) -> None: ...


class Refused(Exception):
    """The client says that its call failed."""


class Sdk:
    """The SDK, each call in a Python of its own.

    It has no function that deletes a network volume, lists templates or deletes one: those go through the transport
    of its own functions.
    """

    def __init__(self, python: Path, env: dict[str, str]) -> None:
        self._python = python
        self._env = env

    def create_pod(self, name: str, volume_id: str) -> Any:
        return self._call(
            f"runpod.create_pod({name!r}, {IMAGE!r}, {GPU!r}, data_center_id={PLACE!r}, ports='22/tcp',"
            f" network_volume_id={volume_id!r}, volume_mount_path='/workspace', min_vcpu_count=2, min_memory_in_gb=4)"
        )

    def create_pod_of(self, name: str, template_id: str) -> Any:
        return self._call(f"runpod.create_pod({name!r}, gpu_type_id={GPU!r}, template_id={template_id!r})")

    def pods(self) -> list[str]:
        return _ids(self._call("runpod.get_pods()"))

    def stop(self, pod_id: str) -> None:
        self._call(f"runpod.stop_pod({pod_id!r})")

    def start(self, pod_id: str) -> None:
        self._call(f"runpod.resume_pod({pod_id!r})")

    def delete_pod(self, pod_id: str) -> None:
        self._call(f"runpod.terminate_pod({pod_id!r})")

    def create_volume(self, name: str, size: int) -> Any:
        return self._call(f"asyncio.run(AppsApiClient().create_network_volume({name!r}, {size}, {PLACE!r}))")

    def volumes(self) -> list[str]:
        return _ids(self._call("asyncio.run(AppsApiClient().list_network_volumes())"))

    def delete_volume(self, volume_id: str) -> None:
        self._call(f"run_rest_request('DELETE', '/v2/network-volumes/{volume_id}')")

    def create_template(self, name: str) -> Any:
        return self._call(f"runpod.create_template({name!r}, {IMAGE!r}, volume_in_gb=20, ports='22/tcp')")

    def templates(self) -> list[str]:
        return _ids(self._call("run_rest_request('GET', '/v2/templates')")["templates"])

    def delete_template(self, template_id: str) -> None:
        self._call(f"run_rest_request('DELETE', '/v2/templates/{template_id}')")

    def _call(self, expression: str) -> Any:
        imports = "from runpod.api.rest import run_rest_request; from runpod.apps.api import AppsApiClient"
        program = f"import asyncio, json, runpod; {imports}; print(json.dumps({expression}))"
        words = [str(self._python), "-c", program]
        done = subprocess.run(words, env=self._env, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
        if done.returncode != 0:
            raise Refused(done.stderr)
        return json.loads(done.stdout)


class McpServer:
    """The MCP server as an assistant uses it: one process, JSON-RPC line by line."""

    def __init__(self, to_server: IO[str], from_server: IO[str]) -> None:
        self._to_server = to_server
        self._from_server = from_server
        self._last = 0
        client = {"name": "rpd-tests", "version": "1"}
        self.request("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
        self._send({"method": "notifications/initialized"})
        self.tools = {tool["name"] for tool in self.request("tools/list")["tools"]}

    def create_pod(self, name: str, volume_id: str) -> Any:
        gpu = {"id": GPU, "count": 1, "minVcpuCountPerGpu": 2, "minRamPerGpu": 4}
        mounts = {"network": [{"volumeId": volume_id, "path": "/workspace"}]}
        order = {"name": name, "image": IMAGE, "disk": 10, "gpu": gpu, "mounts": mounts, "ports": ["22/tcp"]}
        return self._tool("create-pod", body=order | {"dataCenterIds": [PLACE]})

    def create_pod_of(self, name: str, template_id: str) -> Any:
        return self._tool("create-pod", body={"name": name, "templateId": template_id, "gpu": {"id": GPU, "count": 1}})

    def pods(self) -> list[str]:
        return _ids(self._tool("list-pods")["pods"])

    def stop(self, pod_id: str) -> None:
        self._tool("pod-action", id=pod_id, body={"action": "stop"})

    def start(self, pod_id: str) -> None:
        self._tool("pod-action", id=pod_id, body={"action": "start"})

    def delete_pod(self, pod_id: str) -> None:
        self._tool("delete-pod", id=pod_id)

    def create_volume(self, name: str, size: int) -> Any:
        return self._tool("create-network-volume", body={"name": name, "size": size, "dataCenter": PLACE})

    def volumes(self) -> list[str]:
        return _ids(self._tool("list-network-volumes")["networkVolumes"])

    def delete_volume(self, volume_id: str) -> None:
        self._tool("delete-network-volume", id=volume_id)

    def create_template(self, name: str) -> Any:
        mounts = {"persistent": {"size": 20, "path": "/workspace"}}
        return self._tool("create-template", body={"name": name, "image": IMAGE, "disk": 10, "mounts": mounts})

    def templates(self) -> list[str]:
        return _ids(self._tool("list-templates")["templates"])

    def delete_template(self, template_id: str) -> None:
        self._tool("delete-template", id=template_id)

    def request(self, method: str, **params: Any) -> Any:
        """The result of one request."""
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        for line in self._from_server:
            answer = json.loads(line)
            if answer.get("id") == self._last:
                return answer["result"]
        raise AssertionError(f"the MCP server ended at {method}")

    def _tool(self, name: str, **arguments: Any) -> Any:
        assert name in self.tools
        result = self.request("tools/call", name=name, arguments=arguments)
        text = result["content"][0]["text"]
        if result.get("isError"):
            raise Refused(text)
        return json.loads(text)

    def _send(self, message: dict[str, Any]) -> None:
        self._to_server.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._to_server.flush()


@pytest.fixture(scope="module")
def sdk() -> Path:
    """Installed before the test's sandbox begins, which ends itself while nobody asks for anything."""
    return _installed(SDK, _install_sdk)


@pytest.fixture(scope="module")
def mcp() -> Path:
    """The same for the MCP server."""
    return _installed(MCP, _install_mcp)


def test_the_sdk_lives_a_life_of_resources(sdk: Path, sandbox: Any, tmp_path: Path) -> None:
    assert_a_life_of_resources(sandbox, Sdk(sdk / "bin" / "python", _env(sandbox, tmp_path)))


def test_the_mcp_server_lives_a_life_of_resources(mcp: Path, sandbox: Any, tmp_path: Path) -> None:
    with _mcp_server(mcp, _env(sandbox, tmp_path)) as client:
        assert_a_life_of_resources(sandbox, client)


def assert_a_life_of_resources(sandbox: Sandbox, client: RunPodClient) -> None:
    """Create, list, stop, start and delete a volume, a template and pods of both; the truth follows each step."""
    assert (client.volumes(), client.templates(), client.pods()) == ([], [], [])
    volume = client.create_volume("data", 30)
    assert _true_volumes(sandbox) == {volume["id"]: ("data", 30, PLACE, True)}
    assert client.volumes() == [volume["id"]]
    template = client.create_template("shape")
    assert [(each["id"], each["image"]) for each in _true_templates(sandbox)] == [(template["id"], IMAGE)]
    assert client.templates() == [template["id"]]

    pod = client.create_pod("train", volume["id"])["id"]
    assert _status(sandbox, pod, "RUNNING") and sandbox.true_pods()[pod]["name"] == "train"
    seen = sandbox.pod(pod)
    assert seen["mounts"] == {"network": [{"volumeId": volume["id"], "path": "/workspace"}]}
    assert (seen["dataCenterId"], seen["ports"], seen["gpu"]["id"]) == (PLACE, ["22/tcp"], GPU)
    of_template = client.create_pod_of("shaped", template["id"])["id"]
    assert sandbox.pod(of_template)["mounts"]["persistent"]["size"] == 20
    assert sorted(client.pods()) == sorted([pod, of_template])
    with pytest.raises(Refused, match="in use by pod"):
        client.delete_volume(volume["id"])

    client.stop(pod)
    assert _status(sandbox, pod, "EXITED")
    with pytest.raises(Refused, match="pod is EXITED; it cannot be stopped"):
        client.stop(pod)
    client.start(pod)
    assert _status(sandbox, pod, "RUNNING")

    for each in (pod, of_template):
        client.delete_pod(each)
        assert _status(sandbox, each, "TERMINATED")
    client.delete_template(template["id"])
    assert _true_templates(sandbox) == []
    client.delete_volume(volume["id"])
    assert _true_volumes(sandbox) == {volume["id"]: ("data", 30, PLACE, False)}
    assert (client.volumes(), client.templates(), client.pods()) == ([], [], [])
    with pytest.raises(Refused, match="pod not found"):
        client.delete_pod(pod)


def _status(sandbox: Sandbox, pod_id: str, status: str) -> bool:
    return wait_for(lambda: sandbox.true_pods()[pod_id]["status"] == status)


def _true_volumes(sandbox: Sandbox) -> dict[str, tuple[str, int, str, bool]]:
    volumes = daemon.truth(sandbox.home)["volumes"]
    return {each["id"]: (each["name"], each["size_gb"], each["datacenter"], each["exists"]) for each in volumes}


def _true_templates(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The truth has none, since they cost nothing."""
    return list(sandbox("GET", "/v2/templates").json()["templates"])


def _ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def _env(sandbox: Sandbox, home: Path) -> dict[str, str]:
    """Nothing of this machine's user: neither a key of theirs, nor a proxy."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "RUNPOD_API_BASE_URL": sandbox.info.url,
        "RUNPOD_API_KEY": sandbox.info.api_key,
    }


@contextmanager
def _mcp_server(folder: Path, env: dict[str, str]) -> Iterator[McpServer]:
    package = folder / "node_modules" / "@runpod" / "mcp-server"
    entry = package / json.loads((package / "package.json").read_text())["bin"]["runpod-mcp"]
    with subprocess.Popen(
        ["node", str(entry)],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            yield McpServer(server.stdin, server.stdout)
        finally:
            server.kill()


def _installed(what: str, install: Callable[[Path], None]) -> Path:
    """The folder into which this was installed, now or earlier; skips the test where it cannot be."""
    place = PLACES / what.replace("/", "-").strip("@")
    if not place.exists():
        unfinished = place.with_name(f"{place.name}.{os.getpid()}")
        try:
            install(unfinished)
            unfinished.rename(place)
        except (subprocess.SubprocessError, OSError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip()
            pytest.skip(f"{what} cannot be installed here: {said[:300]}")
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return place


def _install_sdk(place: Path) -> None:
    _do(sys.executable, "-m", "venv", str(place))
    _do(
        str(place / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries=1",
        SDK,
    )


def _install_mcp(place: Path) -> None:
    place.mkdir(parents=True)
    version = _do("node", "--version")
    if int(version.strip().removeprefix("v").partition(".")[0]) < NODE_LEAST:
        pytest.skip(f"{MCP} needs Node {NODE_LEAST}, and this is {version.strip()}")
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1")
    _do("npm", "install", "--prefix", str(place), *quiet, MCP)


def _do(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=True).stdout
