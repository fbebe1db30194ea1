"""One real daemon per test process, reset before each test; its pods are real processes."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import paramiko
import pytest
import requests

from rpd.adapters.sandbox import daemon

T = TypeVar("T")

GPU = "NVIDIA GeForce RTX 4090"
IMAGE = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"


def wait_for(what: Callable[[], T], seconds: float = 60.0) -> T:
    """The first truthy answer of `what`."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Client:
    """A user of the API with one key."""

    def __init__(self, info: daemon.SandboxInfo, key: str | None = None) -> None:
        self.info = info
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update({"Authorization": f"Bearer {key or info.api_key}", "User-Agent": "rpd-tests"})

    def __call__(self, method: str, path: str, timeout: float = 10.0, **more: Any) -> requests.Response:
        return self.session.request(method, self.info.url + path, timeout=timeout, **more)


class Sandbox(Client):
    """A sandbox and what tests do with it."""

    def __init__(self, info: daemon.SandboxInfo, home: Path, key: paramiko.PKey) -> None:
        super().__init__(info)
        self.home = home
        self.key = key

    def order(self, **changes: Any) -> dict[str, Any]:
        """A create body; None removes a field."""
        body = {
            "name": "rpd-test",
            "image": IMAGE,
            "disk": 20,
            "gpu": {"id": GPU, "count": 1},
            "ports": ["22/tcp"],
            "env": {"PUBLIC_KEY": f"{self.key.get_name()} {self.key.get_base64()}"},
            "mounts": {"persistent": {"size": 20, "path": "/workspace"}},
        } | changes
        return {name: value for name, value in body.items() if value is not None}

    def create(self, **changes: Any) -> dict[str, Any]:
        """Rent a pod."""
        answer = self("POST", "/v2/pods", json=self.order(**changes))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def pod(self, pod_id: str) -> dict[str, Any]:
        """The pod as GET shows it."""
        answer = self("GET", f"/v2/pods/{pod_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def names(self) -> list[str]:
        """Names of the pods in the list, newest first."""
        return [pod["name"] for pod in self("GET", "/v2/pods").json()["pods"]]

    def act(self, pod_id: str, action: str) -> requests.Response:
        """One action."""
        return self("POST", f"/v2/pods/{pod_id}/action", json={"action": action})

    def fault(self, fault_id: str, **more: Any) -> None:
        """Arm a fault."""
        daemon.set_fault(self.home, fault_id, **more)

    def with_key(self, key: str) -> Client:
        """The same API for the holder of another key."""
        return Client(self.info, key)

    @staticmethod
    def wait_for(what: Callable[[], T], seconds: float = 60.0) -> T:
        """The first truthy answer of `what`."""
        return wait_for(what, seconds)

    @staticmethod
    def run_in(client: paramiko.SSHClient, command: str) -> str:
        """What the command prints in the pod."""
        _, stdout, _ = client.exec_command(command, timeout=10)
        return stdout.read().decode()

    def until(self, pod_id: str, status: str, seconds: float = 60.0) -> dict[str, Any]:
        """The pod once it has this status."""

        def look() -> dict[str, Any] | None:
            pod = self.pod(pod_id)
            return pod if pod["status"] == status else None

        found = wait_for(look, seconds)
        assert found is not None
        return found

    def true_pods(self) -> dict[str, dict[str, Any]]:
        """The truth by pod id."""
        return {pod["id"]: pod for pod in daemon.truth(self.home)["pods"]}

    def reach(self, pod_id: str, seconds: float = 60.0) -> paramiko.SSHClient:
        """Log in as soon as the pod lets us."""

        def attempt() -> paramiko.SSHClient | None:
            address = self.pod(pod_id)["ssh"]["direct"]
            return self.login(address["port"]) if address else None

        found = wait_for(attempt, seconds)
        assert found is not None
        return found

    def login(self, port: int) -> paramiko.SSHClient | None:
        """Log in at this port, or None."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        try:
            client.connect("127.0.0.1", port, "root", pkey=self.key, timeout=1, banner_timeout=1, auth_timeout=1)
        except (OSError, EOFError, paramiko.SSHException):
            client.close()
            return None
        return client


@pytest.fixture(scope="session")
def ssh_key() -> paramiko.PKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, ssh_key: paramiko.PKey) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("sandbox") / "home"
    info = daemon.up(home, boot_seconds=0.0)
    yield Sandbox(info, home, ssh_key)
    daemon.down(home)


@pytest.fixture
def sandbox(served: Sandbox) -> Sandbox:
    """The sandbox of this process, as new, with pods that boot at once."""
    served.info = daemon.up(served.home)  # it ends itself while other tests take their time
    daemon.reset(served.home)
    daemon.play(served.home, {"boot_seconds": 0.05})
    return served


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of a daemon of the test's own; nothing is left running."""
    place = tmp_path / "sandbox"
    yield place
    daemon.down(place)


@pytest.fixture
def processes_of() -> Callable[[Path], list[int]]:
    """Finds the processes that mention a home in their arguments, environment, root or working folder."""

    def find(home: Path) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                facts = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                facts += str((entry / "cwd").readlink()).encode() + str((entry / "root").readlink()).encode()
            except OSError:
                continue
            if str(home).encode() in facts:
                found.append(int(entry.name))
        return found

    return find
