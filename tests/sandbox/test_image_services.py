"""Web services that images bring, as a client sees them through SSH: slow to come up, kept apart, and with faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import paramiko
import pytest

from rpd.adapters.sandbox.machine.container import ContainerSpec
from rpd.adapters.sandbox.machine.images import services_of
from tests.sandbox.conftest import Sandbox
from tests.sandbox.test_sshd import Pod, isolation, run, running, until

__all__ = ["isolation"]

COMFY = "runpod/comfyui:latest"


@contextlib.asynccontextmanager
async def reached(ssh: asyncssh.SSHClientConnection, port: int) -> AsyncIterator[tuple[Any, Any]]:
    """A stream to a port of the pod."""
    reader, writer = await ssh.open_connection("localhost", port, encoding=None)
    try:
        yield reader, writer
    finally:
        writer.close()


async def get(ssh: asyncssh.SSHClientConnection, port: int, path: str) -> tuple[int, str, str]:
    """Status, type and body of one answer."""
    async with reached(ssh, port) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    kind = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("content-type"))
    return int(head.split()[1]), kind, body


async def answered(ssh: asyncssh.SSHClientConnection, port: int, path: str) -> tuple[int, str, str]:
    """The first answer of a service that is coming up."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(asyncssh.ChannelOpenError):
                return await get(ssh, port, path)
            await asyncio.sleep(0.02)


def spec(image: str, **env: str) -> ContainerSpec:
    return ContainerSpec("pod1", image, None, env, "/workspace", True, "NVIDIA L4", 1)


def test_the_name_of_an_image_says_which_services_it_has() -> None:
    kinds = {
        COMFY: ["comfyui"],
        "team/Jupyter-torch:v2": ["notebook"],
        "codercom/code-server": ["code-server"],
        "runpod/pytorch": [],
        "sandbox/bare-comfyui": [],
    }
    assert {image: [each.kind for each in services_of(spec(image))] for image in kinds} == kinds
    assert [each.port for each in services_of(spec("runpod/pytorch", JUPYTER_PASSWORD="x"))] == [8888]


def test_comfyui_comes_up_after_sshd_and_answers(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation, image=COMFY) as pod, await pod.connect() as ssh:
            with pytest.raises(asyncssh.ChannelOpenError) as early:
                await get(ssh, 8188, "/")
            assert early.value.code == asyncssh.OPEN_CONNECT_FAILED
            status, kind, body = await answered(ssh, 8188, "/system_stats")
            assert (status, kind) == (200, "application/json")
            assert json.loads(body)["devices"][0]["type"] == "cuda"
            status, kind, body = await get(ssh, 8188, "/")
            assert (status, kind) == (200, "text/html")
            assert "ComfyUI" in body
            assert (await get(ssh, 8188, "/nothing"))[0] == 404

    run(test())


def test_a_service_fails_as_asked_and_comes_back(tmp_path: Path, isolation: str) -> None:
    async def test() -> None:
        async with running(tmp_path, isolation, image=COMFY) as pod, await pod.connect() as ssh:
            await answered(ssh, 8188, "/")
            pod.runtime.set_service_fault("pod1", "error")
            assert (await get(ssh, 8188, "/"))[0] == 500
            pod.runtime.set_service_fault("pod1", "silent")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(get(ssh, 8188, "/"), 0.3)
            pod.runtime.set_service_fault("pod1", "never")
            port = tmp_path / "pods/pod1/disk/run/services/8188"
            await until(lambda: not port.exists())
            with pytest.raises(asyncssh.ChannelOpenError):
                await get(ssh, 8188, "/")
            pod.runtime.set_service_fault("pod1", None)
            assert (await answered(ssh, 8188, "/"))[0] == 200

    run(test())


def test_a_forward_reaches_listeners_of_its_own_pod_alone(tmp_path: Path, isolation: str) -> None:
    """A client that listens on the same port of this machine would else be forwarded to itself, without end."""

    async def test() -> None:
        async with running(tmp_path, isolation) as pod, await pod.connect() as ssh:
            port = free_port()
            words = ["python3", "-m", "http.server", str(port), "--bind", "127.0.0.1"]
            outside = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
            try:
                await until_listening(port)
                with pytest.raises(asyncssh.ChannelOpenError):
                    await get(ssh, port, "/")
            finally:
                outside.kill()
                await outside.wait()
            await serve_inside(pod, ssh, port)
            assert (await answered(ssh, port, "/"))[0] == 200

    run(test())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def until_listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


async def serve_inside(pod: Pod, ssh: asyncssh.SSHClientConnection, port: int) -> None:
    command = f"cd /workspace; nohup python3 -m http.server {port} --bind 127.0.0.1 </dev/null >log 2>&1 &"
    await ssh.run(command, check=True)


def test_f44_the_service_never_comes_up_or_dies(sandbox: Sandbox) -> None:
    sandbox.fault("F44", options={"how": "never"})
    first = sandbox.create(image=COMFY)
    client = sandbox.reach(first["id"])
    folder = sandbox.home / "pods" / first["id"] / "disk/run/services"
    assert (folder / "fault").read_text() == "never"
    transport = client.get_transport()
    assert transport is not None
    with pytest.raises(paramiko.ChannelException, match="Connect failed"):
        transport.open_channel("direct-tcpip", ("localhost", 8188), ("127.0.0.1", 1), timeout=10)
    client.close()
    second = sandbox.create(image=COMFY)
    sandbox.reach(second["id"]).close()
    alive = sandbox.home / "pods" / second["id"] / "disk/run/services/8188"
    sandbox.wait_for(alive.exists)
    sandbox.fault("F44", pod=second["id"], options={"seconds": "0.2"})
    sandbox.wait_for(lambda: not alive.exists())
    sandbox.wait_for(alive.exists)
