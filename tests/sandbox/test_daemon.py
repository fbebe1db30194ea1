"""The daemon as a process: started once, found, killed, started again with its state, ended without a trace."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.sandbox import daemon
from rpd.engine.errors import UserError

pytestmark = pytest.mark.sandbox


@pytest.fixture
def user(served: Any) -> Callable[[daemon.SandboxInfo, Path], Any]:
    """A client of another sandbox, with this process's SSH key."""
    return lambda info, home: type(served)(info, home, served.key)


def test_up_is_up_once(home: Path) -> None:
    assert daemon.find(home) is None
    assert daemon.status(home)["running"] is False
    found: list[daemon.SandboxInfo] = []
    threads = [threading.Thread(target=lambda: found.append(daemon.up(home))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == found[2] == daemon.find(home)
    assert stat.S_IMODE((home / "api_key").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "daemon.json").stat().st_mode) == 0o600
    assert found[0].url.startswith("http://127.0.0.1:")
    assert found[0].isolation in ("namespace", "rewritten")
    assert found[0].api_key not in str(daemon.status(home))


def test_daemon_is_on_its_own(home: Path) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    info = daemon.up(home)
    os.close(writer)
    assert os.read(reader, 1) == b"", "it holds no descriptor of its starter"
    os.close(reader)
    assert os.getsid(info.pid) == info.pid
    parent = int(Path(f"/proc/{info.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    assert parent != os.getpid()
    arguments = Path(f"/proc/{info.pid}/cmdline").read_bytes()
    assert info.api_key.encode() not in arguments


def test_down_leaves_no_process_and_keeps_the_state(
    home: Path, user: Any, processes_of: Callable[[Path], list[int]]
) -> None:
    info = daemon.up(home, boot_seconds=0.0)
    sandbox = user(info, home)
    pod_id = sandbox.create()["id"]
    client = sandbox.reach(pod_id)
    sandbox.run_in(client, "setsid sleep 1000 > /dev/null 2>&1 & echo")
    client.close()
    assert daemon.down(home) is True
    sandbox.wait_for(lambda: processes_of(home) == [])
    assert daemon.find(home) is None
    assert daemon.down(home) is False
    assert daemon.truth(home)["pods"][0]["status"] == "RUNNING", "the truth can be had while it is down"
    again = daemon.up(home)
    assert (again.url, again.api_key) == (info.url, info.api_key)
    sandbox.reach(pod_id).close()


def test_killed_daemon_goes_on(home: Path, user: Any, processes_of: Callable[[Path], list[int]]) -> None:
    info = daemon.up(home, boot_seconds=0.0)
    sandbox = user(info, home)
    pod_id, stopped = sandbox.create()["id"], sandbox.create()["id"]
    client = sandbox.reach(pod_id)
    sandbox.run_in(client, "echo kept > /workspace/f; setsid sleep 1000 > /dev/null 2>&1 & echo")
    sandbox.until(stopped, "RUNNING")
    sandbox.act(stopped, "stop")
    sandbox.fault("F21")
    os.kill(info.pid, signal.SIGKILL)
    sandbox.wait_for(lambda: daemon.find(home) is None)
    left = processes_of(home)
    before = daemon.truth(home)
    again = user(daemon.up(home), home)
    assert again.info.url == info.url
    assert again.act(stopped, "start").status_code == 400, "armed faults are kept"
    back = again.reach(pod_id)
    assert again.run_in(back, "cat /workspace/f") == "kept\n"
    back.close()
    after = again.true_pods()
    assert after[pod_id]["billed_seconds"] > before["pods"][0]["billed_seconds"]
    assert after[stopped]["billed_seconds"] == before["pods"][1]["billed_seconds"]
    assert not set(left) & set(processes_of(home)), "nothing of the old pods is left"
    os.kill(again.info.pid, signal.SIGKILL)
    daemon.down(home)
    sandbox.wait_for(lambda: processes_of(home) == [])


def test_two_homes(tmp_path: Path, user: Any) -> None:
    homes = [tmp_path / "a", tmp_path / "b"]
    try:
        one, two = (user(daemon.up(home, boot_seconds=0.0), home) for home in homes)
        one.create(name="only-in-a")
        assert (one.names(), two.names()) == (["only-in-a"], [])
        assert one.with_key(two.info.api_key)("GET", "/v2/pods").status_code == 401
        daemon.down(homes[0])
        assert two.names() == []
    finally:
        for home in homes:
            daemon.down(home)


def test_idle_end(home: Path, user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPD_SANDBOX_IDLE_SECONDS", "0.4")
    info = daemon.up(home, boot_seconds=0.0)
    files = daemon.DaemonFiles(home)
    sandbox = user(info, home)
    pod_id = sandbox.create()["id"]
    with pytest.raises(AssertionError):
        sandbox.wait_for(lambda: not files.is_served(), seconds=1.0)
    sandbox.act(pod_id, "stop")
    sandbox.wait_for(lambda: not files.is_served(), seconds=5.0)
    assert daemon.truth(home)["pods"][0]["status"] == "EXITED"
    assert not files.info.exists()


def test_reset_up_and_down(home: Path, user: Any) -> None:
    sandbox = user(daemon.up(home, boot_seconds=0.0), home)
    sandbox.create()
    sandbox.fault("F1", times=0)
    daemon.reset(home)
    assert daemon.truth(home) == {"pods": [], "jobs": {}, "volumes": [], "spent_usd": 0}
    sandbox.create()
    daemon.down(home)
    daemon.reset(home)
    assert daemon.truth(home) == {"pods": [], "jobs": {}, "volumes": [], "spent_usd": 0}
    assert daemon.find(home) is None


def test_a_start_that_fails_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPD_SANDBOX_ISOLATION", "none")
    with pytest.raises(UserError, match="isolation"):
        daemon.up(home)


def test_rewritten_isolation_on_request(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPD_SANDBOX_ISOLATION", "rewritten")
    assert daemon.up(home).isolation == "rewritten"


def test_importing_it_is_light() -> None:
    code = "import sys, rpd.adapters.sandbox.daemon; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"starlette", "uvicorn", "asyncssh", "asyncio", "http.client", "subprocess", "yaml"}
    assert not heavy & set(loaded)
